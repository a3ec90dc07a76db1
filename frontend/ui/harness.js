// Starts real programs and Debian's Chromium for the tests of the pages.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

const root = new URL('../../', import.meta.url).pathname;
const program = (name) => join(root, 'bin', name);

/** Runs a program until close, up to the line that says where it serves, or the last one it needs to say. */
async function start(folder, name, args, last, socket = '') {
  const env = { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, XDG_DATA_HOME: folder };
  const child = spawn(program(name), args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let url = '';
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    url ||= /^serving (\S+)/.exec(line)?.[1] ?? '';
    socket ||= /DEVNET_SOCKET=(\S+)/.exec(line)?.[1] ?? '';
    if (line.includes(last)) break;
  }
  if (!url) throw new Error(`${name} did not start: run make build`);
  child.stdout.resume();
  const run = (what, how, more = {}) =>
    new Promise((resolve, reject) => {
      const one = spawn(program(what), how, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'pipe'] });
      let said = '';
      let wrong = '';
      one.stdout.on('data', (d) => (said += d));
      one.stderr.on('data', (d) => (wrong += d));
      one.once('exit', (code) => (code === 0 ? resolve(said) : reject(new Error(`${what} ${how.join(' ')}: ${wrong}`))));
    });
  return {
    url,
    /** Tells the network what happens. */
    devnet: (...how) => run('devnet', how, { DEVNET_SOCKET: socket }),
    /** Runs the program against the server, as somebody else would. */
    onsight: (...how) => run('onsight', [...how, '--server', url]),
    async close() {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const makeFolder = () => mkdtempSync(join(tmpdir(), 'onsight-ui-'));

/** Runs `onsight demo`. */
export function startDemo(...flags) {
  return start(makeFolder(), 'onsight', ['demo', '--listen', '127.0.0.1:0', ...flags], 'Ctrl-C');
}

/** Runs `onsight serve` on a network of its own that has these names, a line each: TYPE NAME VALUE [legacy]. */
export function startNetwork(names) {
  const folder = makeFolder();
  const socket = join(folder, 'socket');
  writeFileSync(join(folder, 'names'), names.join('\n') + '\n');
  const args = ['--names', join(folder, 'names'), '--nodes', '12', '--socket', socket, program('onsight'), 'serve', '--listen', '127.0.0.1:0', '--db', join(folder, 'db'), '--interval', '1s'];
  return start(folder, 'devnet', args, 'serving', socket);
}

/** The browser's program. */
export function findChromium() {
  const found = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  if (!found) throw new Error('no Chromium: run make test-ui, which installs it');
  return found;
}

/** Starts a browser that looks nobody up. */
export function startBrowser() {
  const executablePath = findChromium();
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** Opens the first page, and waits until it stands. */
export async function open(context, url) {
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('h1').waitFor();
  return page;
}

/** Types into the box, and waits for what comes of it. */
export async function lookUp(page, text) {
  await page.locator('#box').fill(text);
  await page.locator('#box').press('Enter');
  await page.locator('[data-state]:not([data-state=asking]), [data-seen]:not([data-seen=asking])').waitFor();
}

/** The state that a name's page shows. */
export const state = (page) => page.locator('[data-state]').getAttribute('data-state');

/** Has a page find so many nodes in the list, made of those that there are, with measurements. */
export async function manyNodes(page, url, n) {
  const map = await (await fetch(`${url}/v1/nodes?form=map`)).json();
  const models = Object.values(map.nodes);
  map.nodes = Object.fromEntries(Array.from({ length: n }, (_, i) => [i.toString(16).padStart(8, '0').repeat(8), { ...models[i % models.length], latency: ((i * 37) % 400) / 1000 }]));
  await page.route(/\/v1\/nodes\?/, (route) => (route.request().url().includes('since') ? route.fulfill({ status: 304 }) : route.fulfill({ json: map, headers: { etag: 'W/"made-up"' } })));
  await page.route(/\/history/, (route) =>
    route.fulfill({ json: { objects: [{ first: new Date(Date.now() - 7_200_000).toISOString(), last: null, interval: 600, factor: 0.001, count: 4, values: [50, null, 200, 120] }] } }),
  );
}

/** Waits until the page has asked twice how the chain stands: what it had to ask because of what was done before, it has asked by then. */
export async function rounds(page) {
  for (let i = 0; i < 2; i++) await page.waitForResponse(/\/v1\/status/);
}

/** Starts a demo in which blocks come when the tests say so, and a browser, for as long as the tests of a file run. */
export async function startBoth(...flags) {
  const demo = await startDemo('--block-time', '1h', '--dice', '0', ...flags);
  after(() => demo.close());
  const browser = await startBrowser();
  after(() => browser.close());
  return { demo, browser };
}
