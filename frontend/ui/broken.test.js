// What the pages make of answers that are broken, and what the browser keeps of those that are not.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { findChromium, open, startBoth } from './harness.js';

const { demo, browser } = await startBoth();

const bodies = {
  HTML: { contentType: 'text/html', body: '<!doctype html><title>502</title>' },
  'a cut body': { contentType: 'application/json', body: '{"nodes":{"' },
  'another thing': { contentType: 'application/json', body: '{"nodes":7,"as_of":null}' },
  nothing: { contentType: 'application/json', body: 'null' },
};

for (const [what, answer] of Object.entries(bodies)) {
  test(`the list of nodes is ${what}: pages say so, and go on once it is one`, { timeout: 90_000 }, async () => {
    const context = await browser.newContext({ locale: 'en-GB' });
    try {
      const page = await context.newPage();
      for (const [path, says, there] of [
        ['/nodes', 'The list could not be fetched.', '.count'],
        ['/swarms', 'The list of nodes could not be asked for.', '.ring'],
        ['/choose', 'The list of nodes could not be asked for.', '[data-node]'],
      ]) {
        await page.route(/\/v1\/nodes\?/, (route) => route.fulfill(answer));
        await page.goto(demo.url + path);
        await page.getByText(says).waitFor();
        await page.unroute(/\/v1\/nodes\?/);
        await page.locator(there).first().waitFor({ timeout: 12_000 }); // by itself
      }
    } finally {
      await context.close();
    }
  });
}

test('times and amounts that are none take no page with them', { timeout: 90_000 }, async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (e) => errors.push(String(e)));
    const map = await (await fetch(`${demo.url}/v1/nodes?form=map`)).json();
    for (const n of Object.values(map.nodes)) Object.assign(n, { stake: 'much', proof: 'yesterday', first_seen: { height: 1, time: 'x' }, swarm: 'constructor' });
    map.as_of.time = 'never';
    await page.route(/\/v1\/nodes\?/, (route) => route.fulfill({ json: map }));
    await page.goto(`${demo.url}/nodes?columns=state,stake,proof,registered`);
    await page.locator('tbody tr[data-row]').first().waitFor();
    for (const path of ['/swarms', '/network', '/choose', '/paths']) {
      await page.goto(demo.url + path);
      await page.locator('h1').waitFor();
      await page.getByText(/nodes as of block/).waitFor();
    }
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
});

test('the page of the network goes on when the server begins another log', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await context.newPage();
    await page.goto(`${demo.url}/network`);
    await page.getByRole('img', { name: /^Active, decommissioned and unlocking nodes/ }).waitFor();
    const asked = [];
    await page.route(/\/v1\/events\?/, async (route) => {
      const after = new URL(route.request().url()).searchParams.get('after');
      asked.push(after);
      if (asked.length === 1) await route.fulfill({ status: 410, contentType: 'application/problem+json', body: '{"code":"gone"}' });
      else await route.continue();
    });
    await demo.devnet('mine', '1');
    while (asked.length === 0) await page.waitForResponse(/\/v1\/status/);
    await demo.devnet('mine', '1');
    while (asked.length === 1) await page.waitForResponse(/\/v1\/status/);
    await page.getByRole('img', { name: /^Active, decommissioned and unlocking nodes/ }).waitFor();
    assert.match(asked[0], /^[0-9a-f]{16}-\d+$/);
    assert.equal(asked[1], 'now', String(asked));
  } finally {
    await context.close();
  }
});

test('a page that cannot be drawn says so, and others go on', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await context.newPage();
    const status = await (await fetch(`${demo.url}/v1/status`)).json();
    status.config.limits = null;
    await page.route(/\/v1\/status/, (route) => route.fulfill({ json: status }));
    await page.goto(`${demo.url}/privacy`);
    await page.getByText('This page could not be shown', { exact: false }).waitFor();
    await page.getByRole('link', { name: 'Nodes', exact: true }).click();
    await page.locator('.count').waitFor();
  } finally {
    await context.close();
  }
});

test('a page that could not be loaded can be, once the server is there again', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await open(context, demo.url);
    const errors = [];
    page.on('pageerror', (e) => errors.push(String(e)));
    const cut = (route) => route.abort();
    await page.route(`${demo.url}/**`, cut);
    await page.getByRole('link', { name: 'Swarms', exact: true }).click();
    await page.getByText('This page could not be loaded.').waitFor();
    await page.getByRole('button', { name: 'Load afresh' }).click();
    await page.getByRole('alert').getByText('The server does not answer.').waitFor(); // and this page is still here
    await page.unroute(`${demo.url}/**`, cut);
    await page.getByRole('button', { name: 'Load afresh' }).click();
    await page.locator('.ring').waitFor();
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
  }
});

test('after an upgrade a page loads all afresh once, but not what was typed away', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await open(context, demo.url);
    const html = await (await fetch(demo.url)).text();
    let loads = 0;
    page.on('domcontentloaded', () => loads++);
    // The parts of this page are gone. The page that the server has now names a script that is always another, as of servers that take turns.
    await page.route(/\/assets\/(Swarms|Name)-/, (route) => route.fulfill({ status: 404 }));
    await page.route((url) => url.pathname === '/', async (route) => {
      if (route.request().isNavigationRequest()) await route.continue();
      else await route.fulfill({ contentType: 'text/html', body: html.replace(/index-[^"]+\.js/, 'index-other.js') });
    });
    await page.locator('#box').fill('alice');
    await page.locator('#box').press('Enter');
    await page.getByText('what was typed is forgotten', { exact: false }).waitFor();
    assert.equal(loads, 0);
    const loaded = page.waitForEvent('domcontentloaded');
    await page.getByRole('link', { name: 'Swarms', exact: true }).click();
    await loaded;
    const asked = page.waitForResponse((r) => new URL(r.url()).pathname === '/');
    await page.getByText('This page could not be loaded.').waitFor();
    await asked;
    await page.getByRole('button', { name: 'Load afresh' }).waitFor();
    assert.equal(loads, 1);
  } finally {
    await context.close();
  }
});

test('what was not learnt is not shown as nothing', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await context.newPage();
    await page.route(/\/v1\//, (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"code":"busy"}' }));
    await page.goto(`${demo.url}/names`);
    await page.getByText('Not known: the server gave no answer to it.').first().waitFor();
    await page.getByText('It has not answered since this page was opened', { exact: false }).waitFor();
    await page.goto(demo.url);
    await page.getByText('Not known: the server gave no answer to it.').waitFor();
    await page.getByText('The nodes could not be asked for.').waitFor();
  } finally {
    await context.close();
  }
});

test('the cache of the browser has nothing that was asked of one node', { timeout: 90_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onsight-profile-'));
  try {
    const [key] = Object.keys((await (await fetch(`${demo.url}/v1/nodes?form=map`)).json()).nodes);
    const context = await chromium.launchPersistentContext(folder, { executablePath: findChromium(), args: ['--no-sandbox', '--disable-gpu'] });
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(`${demo.url}/node#${key}`);
    await page.getByRole('heading', { name: 'Latency' }).waitFor();
    await page.waitForLoadState('networkidle');
    await context.close();
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile() && /Cache/.test(f.parentPath));
    const texts = files.map((f) => readFileSync(join(f.parentPath, f.name), 'latin1'));
    assert.ok(texts.some((t) => t.includes('/v1/nodes?')), 'the cache was not found');
    assert.deepEqual(texts.flatMap((t) => t.match(new RegExp(`/v1/nodes/${key}[a-z/]*`, 'g')) ?? []), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
