//! What the README tells a game's developer, done as it stands there.

use std::process::Stdio;
use std::time::{Duration, Instant};

use pool_poller::sim::SimPool;
use serde_json::{Value, json};

use super::bench::{Bench, Engine};
use super::{DEADLINE, eventually};
use crate::support::lines::Lines;
use crate::support::player::Player;
use crate::support::readme::{Snippet, Workshop};

const NODE: Snippet = Snippet("game-server.mjs");
const FLASK: Snippet = Snippet("game_server.py");
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_game_server_of_node_relays_each_reward_once_and_gets_what_it_does_not_have() {
    relays_each_reward_once_and_gets_what_it_does_not_have(NODE);
}

#[test]
fn the_game_server_of_flask_relays_each_reward_once_and_gets_what_it_does_not_have() {
    relays_each_reward_once_and_gets_what_it_does_not_have(FLASK);
}

fn relays_each_reward_once_and_gets_what_it_does_not_have(snippet: Snippet) {
    let workshop = Workshop::new(&[snippet]);
    let server = workshop.serve(snippet, "the token");
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &format!("http://127.0.0.1:{}", server.port));
    bench.set("SOCKETIO_AUTH_TOKEN", "the token");
    let wallet = bench.add_player("alice");
    let id = bench.rows.player("alice").id;
    let player = Player::join(server.port, id);
    let daemon = bench.start_with_positions(1);
    let relayed = |player: &Player| {
        let event = player.next(DEADLINE).expect("a relayed reward");
        assert_eq!(event[0], "mining_reward");
        (event[1]["sequence"].as_i64().expect("a number"), event[1]["total_ap"].to_string())
    };
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    assert_eq!(relayed(&player), (1, "150".to_owned()));
    bench.wait_notified(1);

    // The same award once more: acknowledged, and not relayed.
    let replayed = bench.run(&["events", "replay", "--player", "alice"]);
    assert_eq!(String::from_utf8_lossy(&replayed.stdout).trim(), "1 event of 1 player will be sent again by the running daemon");
    bench.wait_notified(1);
    bench.pay(SimPool::CpuPool, &wallet, "2.5");
    assert_eq!(relayed(&player), (2, "400".to_owned()), "nothing between the first and the second");
    bench.wait_notified(2);

    // An award that it acknowledged once and does not have, as after a backup of its own: it says so when it is connected to.
    daemon.stop();
    let url = format!("http://127.0.0.1:{}", server.port);
    bench.set("SOCKETIO_URL", "");
    let daemon = bench.start();
    bench.pay(SimPool::CpuPool, &wallet, "1");
    bench.wait_awards(3);
    daemon.stop();
    bench.rows.execute("UPDATE mining_events SET notified = TRUE");
    bench.set("SOCKETIO_URL", &url);
    let daemon = bench.start();
    let resumed = daemon.wait_for("game_server_resumed");
    assert_eq!((&resumed["players"], &resumed["acknowledged"], &resumed["again"]), (&1.into(), &0.into(), &1.into()));
    assert_eq!(relayed(&player), (3, "500".to_owned()));
    bench.wait_notified(3);
    daemon.stop();
}

#[test]
fn the_game_servers_refuse_who_has_no_token_and_is_no_player() {
    for snippet in [NODE, FLASK] {
        let workshop = Workshop::new(&[snippet]);
        let server = workshop.serve(snippet, "the token");
        let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
        bench.set("SOCKETIO_URL", &format!("http://127.0.0.1:{}", server.port));
        bench.set("SOCKETIO_AUTH_TOKEN", "another token");
        let daemon = bench.start();
        let refused = daemon.wait_for("game_server_disconnected");
        assert!(refused["reason"].as_str().is_some_and(|reason| reason.contains("refused by the server")), "{refused}");
        assert_eq!(daemon.count("game_server_connected"), 0);
        daemon.stop();
        // With no token to compare with, nobody may be taken for the daemon.
        let mut unset = workshop.command(snippet);
        let ended = unset.env("PORT", "0").env_remove("SOCKETIO_AUTH_TOKEN").output().expect("it ends");
        assert!(!ended.status.success());
        assert!(String::from_utf8_lossy(&ended.stderr).contains("SOCKETIO_AUTH_TOKEN"), "{ended:?}");
    }
}

#[test]
fn a_forged_or_old_event_is_refused_by_both_verifiers() {
    let node = Snippet("verify.mjs");
    let python = Snippet("verify.py");
    let workshop = Workshop::new(&[node, python]);
    workshop.write(
        "check.mjs",
        "import { verified } from './verify.mjs';\n\
         import fs from 'node:fs';\n\
         for (const line of fs.readFileSync(0, 'utf8').split('\\n').filter(Boolean)) {\n\
           const { event, secret, now } = JSON.parse(line);\n\
           try { console.log(JSON.stringify(verified(event, secret, now).sequence)); } catch (error) { console.log(error.message); }\n\
         }\n",
    );
    workshop.write(
        "check.py",
        "import json, sys\n\
         from verify import verified\n\
         for line in sys.stdin:\n    \
             given = json.loads(line)\n    \
             try:\n        print(verified(given['event'], given['secret'], given['now'])['sequence'])\n    \
             except ValueError as error:\n        print(error)\n",
    );
    let id: pool_poller::domain::EventId = "6f1d4c5e-0000-5000-8000-000000000001".parse().unwrap();
    let payload = format!(r#"{{"event_id":"{id}","sequence":7,"username":"é\"\n","total_ap":123456789162.12345778}}"#);
    let signer = pool_poller::notify::Signer::parse(SECRET).unwrap();
    let event: Value = serde_json::from_str(&signer.embed(id, 1_000_000, &payload)).unwrap();
    let case = |event: &Value, secret: &str, now: i64| json!({ "event": event, "secret": secret, "now": now }).to_string();
    let changed = |pointer: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let other_text = payload.replace("\"sequence\":7", "\"sequence\":8");
    let cases = [
        case(&event, SECRET, 1_000_000),
        case(&event, SECRET, 1_000_300),
        case(&event, SECRET, 1_000_301),
        case(&event, SECRET, 999_699),
        case(&event, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1_000_000),
        case(&changed("/signed/payload", other_text.into()), SECRET, 1_000_000),
        case(&changed("/signed/timestamp", 1_000_001.into()), SECRET, 1_000_000),
        case(&changed("/signed/signature", "v1,AAAA".into()), SECRET, 1_000_000),
        case(&changed("/event_id", "6f1d4c5e-0000-5000-8000-000000000002".into()), SECRET, 1_000_000),
        // What stands beside the signed text counts for nothing.
        case(&changed("/sequence", 8.into()), SECRET, 1_000_000),
    ];
    let expected = ["7", "7", "too old", "too old", "forged", "forged", "forged", "forged", "forged", "7"];
    for program in ["check.mjs", "check.py"] {
        let mut command = workshop.command(Snippet(program));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = cases.join("\n") + "\n";
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines, expected, "{program}");
    }
}

#[test]
fn a_webhook_takes_each_award_once_in_order_by_its_signature() {
    let workshop = Workshop::new(&[Snippet("verify.mjs")]);
    workshop.write("webhook.mjs", include_str!("../../interop/webhook.mjs"));
    let mut command = workshop.command(Snippet("webhook.mjs"));
    command.env("SECRET", SECRET).env("STATUSES", "500,429").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("node starts");
    let facts = Lines::read("webhook.mjs", child.stdout.take().unwrap());
    let next = || -> Value { serde_json::from_str(&facts.next(Instant::now() + DEADLINE)).expect("a fact") };
    let port = next()["listening"].as_u64().expect("a port");

    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", "");
    bench.set("NOTIFY_SIGNING_SECRET", SECRET);
    bench.set("NOTIFY_WEBHOOK_URL", &format!("http://127.0.0.1:{port}/rewards?key=hush"));
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    assert_eq!(daemon.wait_for("game_server_connected")["protocol"], "webhook");
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.wait_awards(1);
    let id = bench.rows.awards()[0].event_id.clone().expect("an id");
    for status in [500, 429, 204] {
        let fact = next();
        assert_eq!(
            (&fact["status"], &fact["id"], &fact["reward"]["sequence"]),
            (&status.into(), &json!(id), &1.into()),
            "{fact}"
        );
        if status != 204 {
            assert!(!bench.rows.awards()[0].notified, "after {status}");
        }
    }
    let award = bench.wait_notified(1).remove(0);
    assert_eq!(award.delivery_attempts, 1, "500 was an attempt, 429 was none");
    let busy = daemon.wait_for("game_server_disconnected");
    assert_eq!((&busy["kind"], &busy["retry_ms"]), (&"busy".into(), &1_000.into()), "{busy}");
    bench.pay(SimPool::CpuPool, &wallet, "1");
    assert_eq!(next()["reward"]["sequence"], 2);
    bench.wait_notified(2);

    // It is away, and there again: the award waits, and costs no attempt.
    child.kill().and_then(|()| child.wait()).expect("killed");
    bench.pay(SimPool::CpuPool, &wallet, "1");
    daemon.wait_for_event("game_server_disconnected", |event| event["kind"] == "unreachable");
    assert!(!bench.rows.awards()[2].notified);
    let log = Value::from(daemon.logged()).to_string();
    assert!(!log.contains("hush") && !log.contains(SECRET), "{log}");
    daemon.stop();
    let kept = eventually("the third award", Duration::from_secs(1), || bench.rows.awards().pop());
    assert_eq!((kept.notified, kept.delivery_attempts), (false, 0));
}
