// A real headless Chromium for the tests of the status page: it does what the test asks for, a line of JSON each on standard
// input, and answers each with one line of JSON on standard output.
//
//   node browser.mjs                                    commands on standard input
//   node browser.mjs --screenshot DIR --url URL         desktop.png and phone.png of a page that has an award, light; and dark
//
//   POOL_POLLER_TEST_CHROMIUM in the environment: the program; POOL_POLLER_TEST_NODE_MODULES: where `playwright-core` is
//
// The commands, and their answers beside {"done":NAME}; what cannot be done is answered with {"failed":WHY}:
//   {"open":URL}                             navigates
//   {"wait":SELECTOR,"text":TEXT}            until an element that matches and can be seen has TEXT
//   {"gone":SELECTOR,"text":TEXT}            until none has
//   {"fits":[WIDTH,HEIGHT]}                  {"width":N,"content":N} of the page in a window of that size
//   {"controls":true}                        {"controls":[…]} what could send or change anything, {"links":[…]} where links lead
//   {"facts":true}                           {"navigations":N,"foreign":[…],"complaints":[…],"ran":BOOL,"images":N}: requests to
//                                            other origins and the console's errors and warnings since the last time, whether
//                                            foreign script ran, images in the page
//
// It ends, and Chromium with it, when its standard input ends, so it never outlives the test that started it.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { parseArgs } from 'node:util';

const { POOL_POLLER_TEST_NODE_MODULES: modules, POOL_POLLER_TEST_CHROMIUM: program } = process.env;
if (!modules || !program) {
  console.error('set POOL_POLLER_TEST_NODE_MODULES and POOL_POLLER_TEST_CHROMIUM, or use tests/run');
  process.exit(2);
}
const { chromium } = createRequire(path.join(path.dirname(modules), 'interop.cjs'))('playwright-core');
const { values: options } = parseArgs({ options: { screenshot: { type: 'string' }, url: { type: 'string' } } });

const WAIT_MS = 45_000;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// Everything that Chromium writes is in here: the profile, and what it would leave in the home directory.
const home = mkdtempSync(path.join(os.tmpdir(), 'chromium-'));
const context = await chromium.launchPersistentContext(path.join(home, 'profile'), {
  executablePath: program,
  headless: true,
  args: FLAGS,
  env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  viewport: { width: 1280, height: 800 },
});
const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(WAIT_MS);

let navigations = 0;
let home_origin = null;
let foreign = [];
let complaints = [];
page.on('framenavigated', (frame) => {
  if (frame === page.mainFrame() && frame.url().startsWith('http')) navigations += 1;
});
context.on('request', (request) => {
  const { protocol, origin } = new URL(request.url());
  if (protocol !== 'data:' && origin !== home_origin) foreign.push(request.url());
});
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('dialog', (dialog) => {
  complaints.push(`a dialog: ${dialog.message()}`);
  dialog.dismiss();
});

const seen = (selector, text) => page.locator(selector).filter({ hasText: text }).filter({ visible: true });

const commands = {
  async open({ open }) {
    home_origin = new URL(open).origin;
    await page.goto(open);
  },
  async wait({ wait, text }) {
    await seen(wait, text).first().waitFor();
    return { text: await seen(wait, text).first().innerText() };
  },
  async gone({ gone, text }) {
    await seen(gone, text).first().waitFor({ state: 'detached' });
  },
  async fits({ fits: [width, height] }) {
    await page.setViewportSize({ width, height });
    return await page.evaluate(() => ({ width: window.innerWidth, content: document.scrollingElement.scrollWidth }));
  },
  async controls() {
    const found = (selector, of) => page.$$eval(selector, (all, name) => all.map((one) => one[name]), of);
    const controls = await found('form, button, input, select, textarea, [contenteditable], [onclick], iframe, object', 'outerHTML');
    return { controls, links: await found('a', 'href') };
  },
  async facts() {
    const facts = await page.evaluate(() => ({ ran: 'ran' in window, images: document.images.length }));
    const answer = { ...facts, navigations, foreign, complaints };
    [foreign, complaints] = [[], []];
    return answer;
  },
};

async function screenshots(folder, url) {
  mkdirSync(folder, { recursive: true });
  await commands.open({ open: url });
  await seen('#awards tr', 'told').first().waitFor();
  await seen('#pools small', 'longest').first().waitFor();
  for (const [name, width, height] of [['desktop', 1280, 1080], ['phone', 390, 1560]]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      const file = path.join(folder, colorScheme === 'light' ? `${name}.png` : `${name}-dark.png`);
      await page.screenshot({ path: file });
      console.log(file);
    }
  }
}

async function serve() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    const name = Object.keys(commands).find((known) => known in command);
    let answer;
    try {
      answer = { done: name, ...(await commands[name](command)) };
    } catch (error) {
      const body = await page.evaluate(() => document.body.innerText).catch(() => '');
      answer = { failed: `${line}: ${error}`, page: body };
    }
    console.log(JSON.stringify(answer));
  }
}

try {
  await (options.screenshot ? screenshots(options.screenshot, options.url) : serve());
} finally {
  await context.close();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}
