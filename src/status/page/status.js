// Asks for the figures every two seconds and shows them. What comes from pools and players is only ever made to text.
"use strict";

const EVERY_MS = 2000;
const GIVE_UP_MS = 8000;
// A line of fewer cycles is not as wide as the chart.
const CYCLES_MIN = 20;
const SVG = "http://www.w3.org/2000/svg";

const POOL_STATES = {
  answers: ["ok", "answers"],
  fails: ["bad", "fails"],
  left_alone: ["bad", "left alone"],
  tried: ["warn", "is being tried again"],
  no_answer_yet: ["", "no answer yet"],
  no_wallets: ["", "nobody to ask about"],
  no_network: ["warn", "not reached: this machine has no network"],
  unknown: ["bad", "its part of the daemon does not answer"],
};
const AWARD_STATES = {
  told: ["ok", "told"],
  waiting: ["warn", "waits for the game"],
  given_up: ["bad", "given up"],
  held: ["warn", "held"],
  rejected: ["", "rejected"],
  old: ["", "from before"],
};
const GAME_KINDS = { socketio: "Socket.IO", websocket: "WebSocket", webhook: "Webhook" };

const byId = (id) => document.getElementById(id);

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const soft = (...children) => element("small", {}, ...children);
const below = (...children) => element("small", { class: "below" }, ...children);
const state = ([kind, word], more = "") => element("span", { class: `state ${kind}` }, word + more);
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

function clock(text) {
  const at = new Date(text);
  const time = at.toLocaleTimeString("en-GB");
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

const moment = (text) => element("time", { datetime: text, title: text }, clock(text));

function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function millis(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

// Amounts stay the text that they are; digits that nobody sees, hears or copies bring the points below each other.
function aligned(amounts) {
  const places = (text) => (text.includes(".") ? text.length - text.indexOf(".") : 0);
  const most = Math.max(0, ...amounts.map(places));
  const filling = (text) => (text.includes(".") ? "" : ".").padEnd(most - places(text), "0");
  return amounts.map((text) => (places(text) < most ? [text, element("span", { class: "filling", "aria-hidden": "true" }, filling(text))] : text));
}

function tile(title, main, ...details) {
  return element("div", {}, element("dt", {}, title), element("dd", { class: "main" }, main), ...details.map((detail) => element("dd", { class: "soft" }, ...[detail].flat())));
}

function cycleTile(cycle) {
  if (!cycle) return tile("Last cycle", state(["", "none has ended yet"]));
  if (cycle.error) return tile("Last cycle", state(["bad", "could not begin"]), cycle.error);
  const skipped = cycle.pools_skipped ? `, ${counted(cycle.pools_skipped, "pool")} still busy` : "";
  const paid = [counted(cycle.awards, "award"), `${cycle.ap_awarded} AP`, cycle.held ? `${cycle.held} held` : ""];
  return tile(
    "Last cycle",
    state([cycle.failed ? "warn" : "ok", `${cycle.good} of ${cycle.good + cycle.failed} good`]),
    `${counted(cycle.players, "player")}; ${paid.filter(Boolean).join(", ")}${skipped}`,
    [`No ${cycle.cycle} took ${millis(cycle.duration_ms)} until `, moment(cycle.at)],
  );
}

function gameTile(game, dryRun) {
  const where = [GAME_KINDS[game.kind], game.url].filter(Boolean).join(", ");
  const since = game.since ? [game.state === "connected" ? "since " : "gone since ", moment(game.since)] : null;
  if (dryRun) return tile("Game server", state(["", "dry run: nothing is sent"]), where);
  if (game.state === "not_configured") return tile("Game server", state(["", "none configured"]), "Awards wait.");
  if (game.state === "unknown") return tile("Game server", state(["bad", "unknown"]), game.reason ?? "");
  if (game.state === "connected") {
    const word = game.doubted ? state(["warn", "connected, acknowledges nothing"]) : state(["ok", "connected"]);
    return tile("Game server", word, where, since);
  }
  return tile("Game server", state(["bad", "not connected"]), where, since ?? "never since the start", game.reason ?? "");
}

function tiles({ cycle, game, dryRun, events, database, age }) {
  const unknown = () => state(["", "unknown"]);
  const dead = events?.given_up ? `${events.given_up} given up: pool-poller events list --dead` : "";
  const waiting = events?.waiting ? state(["warn", counted(events.waiting, "award")]) : state(["ok", "nothing"]);
  const held = events?.held ? state(["warn", counted(events.held, "event")]) : state(["ok", "nothing"]);
  const decide = [
    "Decided with ",
    element("code", {}, "pool-poller events list --held"),
    ", then ",
    element("code", {}, "events approve"),
    " or ",
    element("code", {}, "events reject"),
    "; not from here.",
  ];
  return [
    cycleTile(cycle),
    gameTile(game, dryRun),
    tile("Waits for the game", events ? waiting : unknown(), events ? (events.waiting ? `The oldest for ${age}.` : "The game has every award.") : "", dead),
    tile("Held for a person", events ? held : unknown(), events ? (events.held ? decide : "No decision is needed.") : ""),
    tile("Database", state(database.answers ? ["ok", "answers"] : ["bad", "does not answer"]), database.engine, database.error ?? ""),
  ];
}

function sparkline(latency) {
  const known = latency.filter(Boolean);
  if (known.length === 0) return [soft("no request yet")];
  const [width, height] = [156, 28];
  const slots = Math.max(latency.length, CYCLES_MIN);
  const longest = Math.max(...known.map((cycle) => cycle.max_ms));
  const x = (index) => (width - 3) - (latency.length - 1 - index) * ((width - 6) / (slots - 1));
  const y = (ms) => height - 2 - (longest > 0 ? ms / longest : 0) * (height - 4);
  const line = (figure) => latency.map((cycle, index) => cycle ? `${latency[index - 1] ? "L" : "M"}${x(index).toFixed(1)} ${y(cycle[figure]).toFixed(1)}` : "").join("");
  const shape = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const last = known[known.length - 1];
  const medians = known.map((cycle) => cycle.median_ms).sort((a, b) => a - b);
  const middle = medians[Math.floor((medians.length - 1) / 2)];
  const told = `last ${millis(last.median_ms)}, median ${millis(middle)}, longest ${millis(longest)}`;
  const drawn = shape("svg", { class: "spark", role: "img", viewBox: `0 0 ${width} ${height}`, "aria-label": `Latency over ${counted(latency.length, "cycle")}: ${told}` });
  drawn.append(shape("path", { class: "floor", d: `M0 ${height - 1}H${width}` }), shape("path", { class: "max", d: line("max_ms") }));
  drawn.append(shape("path", { class: "median", d: line("median_ms") }));
  drawn.append(shape("circle", { class: "last", r: 2.25, cx: x(latency.lastIndexOf(last)), cy: y(last.median_ms) }));
  return [drawn, below(`${millis(last.median_ms)}, longest ${millis(longest)}`)];
}

function row(labels, cells, kinds = [], kind = "") {
  const made = cells.map((cell, index) => {
    const attributes = { "data-label": labels[index], role: index === 0 ? "rowheader" : "cell" };
    if (index === 0) attributes.scope = "row";
    if (kinds[index]) attributes.class = kinds[index];
    // One box for all that the cell holds, beside its label on a phone.
    return element(index === 0 ? "th" : "td", attributes, element("div", {}, ...[cell].flat()));
  });
  return element("tr", { role: "row", class: kind }, ...made);
}

const nothing = (columns, text) => [element("tr", { role: "row" }, element("td", { role: "cell", class: "nothing", colspan: columns }, text))];

function poolRow(pool) {
  const until = pool.left_alone_until ? ` until ${clock(pool.left_alone_until)}` : "";
  const because = pool.reason ? below(`because ${pool.reason}`) : null;
  const { last_cycle: last, recent } = pool;
  const failed = last ? Object.entries(last.failed).map(([kind, count]) => `${count} ${kind.replaceAll("_", " ")}`) : [];
  const left = last?.not_asked ? [`${last.not_asked} not asked`] : [];
  const asked = last ? last.good + Object.values(last.failed).reduce((sum, count) => sum + count, 0) : 0;
  const ended = last ? [asked ? `${last.good} of ${asked} good` : "nobody asked", below([...failed, ...left].join(", ")), below(counted(last.requests, "request"), ", ", moment(last.at))] : "none yet";
  const percent = recent.success_percent === null ? "unknown" : `${recent.success_percent.toFixed(1)} %`;
  return row(
    ["Pool", "State", "Last cycle", "Success", "Latency"],
    [pool.name, [state(POOL_STATES[pool.state], until), because], ended, [percent, below(recent.cycles ? `over ${counted(recent.cycles, "cycle")}` : "no cycle yet")], sparkline(pool.latency)],
    ["", "", "", "number", "chart"],
  );
}

function awardRows(awards) {
  if (!awards) return nothing(6, "The database does not answer: awards cannot be shown.");
  if (awards.length === 0) return nothing(6, "None yet.");
  const [advc, ap] = [aligned(awards.map((award) => award.advc)), aligned(awards.map((award) => award.ap))];
  return awards.map((award, index) => {
    const more = award.hold_reason ? `: ${award.hold_reason.replaceAll("_", " ")}` : "";
    const player = [element("bdi", {}, award.player), " ", soft(`#${award.player_id}`)];
    const note = award.reverses ? below(`takes event ${award.reverses} back`) : award.state === "held" ? below(`event ${award.id}`) : null;
    return row(["Time", "Player", "Pool", "ADVC", "AP", "State"], [moment(award.at), player, award.pool, advc[index], ap[index], [state(AWARD_STATES[award.state], more), note]], ["when", "", "", "number", "number"], "award");
  });
}

function anomalyRows(anomalies) {
  if (!anomalies) return nothing(5, "The database does not answer: anomalies cannot be shown.");
  if (anomalies.length === 0) return nothing(5, "None.");
  return anomalies.map((anomaly) => {
    const lasts = anomaly.resolved_at ? [state(["ok", "ended "]), moment(anomaly.resolved_at)] : state(["warn", "lasts"]);
    const player = [element("bdi", {}, anomaly.player), " ", soft(`#${anomaly.player_id}`)];
    return row(["First seen", "Player", "Pool", "What", "State"], [moment(anomaly.at), player, anomaly.pool, [anomaly.kind.replaceAll("_", " "), below(anomaly.detail)], lasts], ["when"]);
  });
}

// What a person should look at, the worst first.
function troubles({ report, events }) {
  const found = report.silent.map((text) => ["bad", text]);
  if (!report.database.answers) found.push(["bad", "The database does not answer."]);
  if (report.cycleError) found.push(["bad", "The last cycle could not begin."]);
  if (report.offline) found.push(["bad", "This machine reaches none of the pools."]);
  const ill = report.pools.filter(([, now]) => ["fails", "left_alone", "tried"].includes(now)).map(([name]) => name);
  if (ill.length > 0) found.push(["bad", `${ill.join(", ")}: no good answers.`]);
  if (report.game === "disconnected") found.push(["bad", "The game server is not connected; awards wait for it."]);
  if (events.given_up) found.push(["bad", `${counted(events.given_up, "award")} given up.`]);
  if (events.held) found.push(["warn", `${counted(events.held, "event")} held for a person.`]);
  return found;
}

const shown = new Map();

// Puts a part in place anew when it has changed, so that a selection stays and a screen reader is not told the same again.
function part(id, data, build) {
  const key = JSON.stringify(data);
  if (shown.get(id) === key) return;
  byId(id).replaceChildren(...[build(data)].flat());
  shown.set(id, key);
}

function show(report) {
  const { last_cycle: cycle, database, events, game } = report;
  const health = { silent: report.silent_actors, database, cycleError: Boolean(cycle?.error), offline: report.offline, pools: report.pools.map((pool) => [pool.name, pool.state]), game: game.state };
  const age = events?.waiting_since ? span(new Date(report.at) - new Date(events.waiting_since)) : "";
  part("version", report.version, (version) => version);
  part("health", troubles({ report: health, events: events ?? {} }), (found) => {
    document.title = found.length > 0 ? `(${found.length}) pool-poller` : "pool-poller";
    if (found.length === 0) return element("p", {}, state(["ok", "Everything answers."]));
    return element("ul", {}, ...found.map((trouble) => element("li", {}, state(trouble))));
  });
  part("tiles", { cycle, game, dryRun: report.dry_run, events, database, age }, tiles);
  part("pools", report.pools, (pools) => (pools.length > 0 ? pools.map(poolRow) : nothing(5, "No pool is enabled.")));
  part("awards", report.awards, awardRows);
  part("anomalies", report.anomalies, anomalyRows);
  const every = report.interval_seconds === null ? "" : `, a cycle every ${report.interval_seconds} s`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  part("about", [report.up_since, every, report.dry_run, zone], () => [element("span", {}, "Up since ", moment(report.up_since), every, report.dry_run ? ", dry run: nothing is written" : "", `. Times are those of ${zone}.`)]);
}

let newest = null;
let timer = null;
let asking = false;

function gone(is) {
  document.body.classList.toggle("stale", is);
  const text = newest ? `The daemon does not answer. What is below was so at ${clock(newest)}.` : "The daemon does not answer.";
  if (is && byId("gone").textContent !== text) byId("gone").textContent = text;
  byId("gone").hidden = !is;
}

async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  clearTimeout(timer);
  let report = null;
  try {
    const answer = await fetch("status.json", { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (answer.ok) report = await answer.json();
  } catch {
    // Not there, or too slow; the page says so.
  }
  try {
    if (report) {
      show(report);
      newest = report.at;
    }
    gone(!report);
  } finally {
    asking = false;
    timer = setTimeout(ask, EVERY_MS);
  }
}

document.addEventListener("visibilitychange", ask);
ask();
