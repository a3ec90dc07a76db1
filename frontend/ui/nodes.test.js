// The pages of the service nodes, over a living network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { manyNodes, rounds, startBoth } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { demo, browser } = await startBoth();

/** Runs a test in a fresh profile, in which the page logs no error and asks nobody else. */
function inBrowser(name, options, what) {
  if (typeof options === 'function') [options, what] = [{}, options];
  test(name, async () => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 }, ...options });
    context.setDefaultTimeout(15_000);
    const strangers = [];
    const errors = [];
    const asked = [];
    context.on('request', (r) => {
      if (!/^blob:/.test(r.url())) (r.url().startsWith(demo.url) ? asked : strangers).push(r.url().replace(demo.url, ''));
    });
    context.on('weberror', (e) => errors.push(String(e.error())));
    const page = await context.newPage();
    const violations = [];
    page.on('console', (m) => /Content Security Policy/.test(m.text()) && violations.push(m.text()));
    try {
      await what(page, asked, context);
      assert.deepEqual([strangers, errors, violations], [[], [], []]);
    } finally {
      await context.close();
    }
  });
}

const getJSON = async (path) => (await fetch(demo.url + path)).json();
const count = (page) => page.locator('.count');
const rows = (page) => page.locator('tbody tr[data-row]');

async function go(page, path) {
  await page.goto(demo.url + path);
  await count(page).waitFor();
}

/** The nodes that the page has found, in order, as it gives them to take along. */
async function found(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'JSON' }).click()]);
  return JSON.parse(readFileSync(await download.path(), 'utf8')).nodes;
}

describe('the list of nodes', () => {
  inBrowser('answers as the API does', async (page) => {
    const { nodes } = await getJSON('/v1/nodes');
    const some = nodes[7];
    for (const query of [
      '', 'state=active', 'state=active,decommissioned&order=-credit', 'reachable=up&order=latency', 'reachable=unknown', `operator=${some.operator}`, `swarm=${some.swarm}`, 'swarm=none',
      'prefix=0', 'prefix=127.0.0.0/10', 'version=10.6', 'version=..10.5', 'storage_version=2.10..&order=-storage_version', 'credit=..70&order=credit,-ip', 'credit=71..', 'country=xz', 'as=0',
      'proof_age=..10m', 'proof_age=5h..', 'latency=..1m', `search=${some.key.slice(0, 3)}`, `search=${some.operator.slice(0, 5)}`, 'search=state:active 127.', 'search=nothing_is_called_so', 'order=-registered',
      'order=-stake,operator', 'first_seen_days=0', 'order=-last_reward', 'contributor=' + some.contributors[0].address,
    ]) {
      // Nodes are measured meanwhile: what differs is asked again.
      for (let left = 3; ; left--) {
        await go(page, `/nodes?${query}`);
        const want = (await getJSON(`/v1/nodes?fields=key&${query}`)).nodes.map((n) => n.key);
        const got = (await count(page).textContent()).startsWith('0 ') ? [] : (await found(page)).map((n) => n.key);
        if (left > 0 && JSON.stringify(got) !== JSON.stringify(want)) continue;
        assert.deepEqual(got, want, query);
        break;
      }
    }
  });

  inBrowser('filters stand in the address, and survive reload and back', async (page) => {
    await go(page, '/nodes');
    const all = await count(page).textContent();
    await page.getByRole('button', { name: /^active \d/ }).click();
    await page.getByRole('combobox', { name: 'Credit', exact: true }).selectOption('60..719');
    await page.getByRole('button', { name: 'Credit', exact: true }).click();
    await page.getByRole('searchbox', { name: 'Search' }).fill('127.');
    await page.waitForURL(/\/nodes\?state=active&credit=60\.\.719&order=credit#search=127\.$/);
    const address = page.url();
    assert.equal(await page.getByRole('columnheader', { name: 'Credit' }).getAttribute('aria-sort'), 'ascending');
    const narrowed = await count(page).textContent();
    assert.notEqual(narrowed, all);
    await page.reload();
    await page.getByText(narrowed, { exact: true }).waitFor();
    assert.equal(page.url(), address);
    assert.equal(await page.getByRole('searchbox', { name: 'Search' }).inputValue(), '127.');
    assert.equal(await page.getByRole('button', { name: /^active \d/ }).getAttribute('aria-pressed'), 'true');
    // To a node, and back.
    await rows(page).nth(2).getByRole('link').click();
    await page.getByRole('heading', { name: 'Identity' }).waitFor();
    await page.goBack();
    await page.getByText(narrowed, { exact: true }).waitFor();
    assert.equal(page.url(), address);
    // Each step is taken back by itself.
    await page.goBack();
    await page.waitForURL(/order=credit$/);
    assert.equal(await page.getByRole('searchbox', { name: 'Search' }).inputValue(), '');
    await page.goBack();
    await page.waitForURL(/credit=60\.\.719$/);
    await page.goBack();
    await page.waitForURL(/state=active$/);
    await page.getByRole('button', { name: /Remove the filter State: active/ }).click();
    await page.getByText(all, { exact: true }).waitFor();
    await page.waitForURL(/\/nodes$/);
  });

  inBrowser('says what it leaves out, and what nothing is like', async (page) => {
    await go(page, '/nodes?credit=many&state=active');
    await page.getByText('“Credit” is not written as it should be', { exact: false }).waitFor();
    await go(page, '/nodes?stat=active&last_seen_days=0');
    await page.getByText('There is no filter “last_seen_days”', { exact: false }).waitFor();
    await page.getByText('There is no filter “stat”', { exact: false }).waitFor();
    await go(page, '/nodes?search=nothing_is_called_so&state=active');
    await page.getByText('No node is like that.').waitFor();
    await page.locator('.none').getByRole('button', { name: 'Remove all filters' }).click();
    await rows(page).first().waitFor();
    await page.waitForURL(/\/nodes$/);
  });

  inBrowser('shows the columns that are chosen', async (page) => {
    await go(page, '/nodes');
    await page.getByText('Columns').click();
    await page.getByRole('checkbox', { name: 'Loss' }).check();
    await page.getByRole('checkbox', { name: 'Swarm' }).uncheck();
    await page.getByRole('columnheader', { name: 'Loss' }).waitFor();
    await page.getByRole('columnheader', { name: 'Swarm' }).waitFor({ state: 'detached' });
    await page.waitForURL(/columns=state,latency,trend,loss,credit,proof,version$/);
    const address = page.url();
    await page.reload();
    await page.getByRole('columnheader', { name: 'Loss' }).waitFor();
    assert.equal(page.url(), address);
  });

  inBrowser('asks for the list, and for the lines of rows in view, as it says', async (page, asked) => {
    await page.route(/\/history/, async (route) => {
      await route.fulfill({ json: { objects: [] } });
    });
    await manyNodes(page, demo.url, 300);
    await go(page, '/nodes');
    await page.getByText('node by node for the rows in view: it learns which those are.', { exact: false }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll('tbody .wait').length === 0 || performance.now() > 12_000);
    await rounds(page);
    const view = await page.evaluate(() => {
      const box = document.querySelector('tbody tr[data-row]').closest('.box, [role=region], div').getBoundingClientRect();
      return Array.from(document.querySelectorAll('tbody tr[data-row] a')).filter((a) => a.getBoundingClientRect().top < innerHeight + box.height).map((a) => a.title);
    });
    const said = (p) => /^\/(assets\/|favicon|nodes$|v1\/status$|v1\/reorgs\?|v1\/names\/range$|v1\/nodes\?(form=map|since=))/.test(p);
    const rest = asked.filter((p) => !said(p));
    assert.ok(rest.length > 3, 'no line was asked for');
    for (const p of rest) {
      const key = /^\/v1\/nodes\/([0-9a-f]{64})\/history\?from=\d+$/.exec(p)?.[1];
      assert.ok(key && view.includes(key), p);
    }
    // Without the column, and with words searched for: nothing but the list, and the address that is sent has none of the words.
    asked.length = 0;
    await page.goto(`${demo.url}/nodes?columns=state,latency#search=127.`);
    await page.getByText('Nothing but the list is asked of the server', { exact: false }).waitFor();
    await rounds(page);
    assert.deepEqual(asked.filter((p) => !said(p.replace(/^\/nodes\?columns=state,latency(#.*)?$/, '/nodes'))), []);
    assert.equal(await page.getByRole('searchbox', { name: 'Search' }).inputValue(), '127.');
  });

  inBrowser('is loaded once and kept, and filters ask nobody', async (page, asked) => {
    await go(page, '/nodes?columns=state,latency,credit');
    await page.waitForLoadState('networkidle');
    asked.length = 0;
    await page.getByRole('button', { name: /^active \d/ }).click();
    await page.getByRole('searchbox', { name: 'Search' }).pressSequentially('127.');
    await page.getByRole('button', { name: 'Latency', exact: true }).click();
    await rounds(page);
    assert.deepEqual(asked.filter((p) => p !== '/v1/status' && p !== '/favicon.svg' && // which Chromium asks for with every address
       !p.startsWith('/v1/nodes?since=')), []);

    const before = (await getJSON('/v1/status')).height;
    await page.getByRole('button', { name: 'Remove all filters' }).click();
    await demo.devnet('mine', '1');
    await page.getByText(`as of block ${before + 1}`, { exact: false }).waitFor();
    assert.ok(!asked.includes('/v1/nodes?form=map'), 'asked for all of it again');
    const byKey = (a, b) => (a.key < b.key ? -1 : 1);
    assert.deepEqual((await found(page)).sort(byKey).map((n) => [n.key, n.credit]), (await getJSON('/v1/nodes')).nodes.map((n) => [n.key, n.credit]));
  });

  inBrowser('is gone through by keys alone', async (page) => {
    await go(page, '/nodes?state=active&order=-credit');
    const link = rows(page).first().getByRole('link');
    for (let i = 0; i < 60 && !(await link.evaluate((e) => e === document.activeElement)); i++) await page.keyboard.press('Tab');
    assert.ok(await link.evaluate((e) => e === document.activeElement), 'Tab does not lead to the table');
    await page.keyboard.press('End');
    const all = Number((await count(page).textContent()).split(' ')[0]);
    await page.locator(`[data-row="${all - 1}"] a:focus`).waitFor();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('k');
    const row = page.locator(`[data-row="${all - 3}"] a:focus`);
    await row.waitFor();
    const key = await row.getAttribute('title');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/node#${key}`);
    await page.getByRole('heading', { name: key.slice(0, 8) }).waitFor();
    await page.goBack();
    await page.locator(`[data-row="${all - 3}"]`).waitFor(); // it is scrolled to where one was
  });

  inBrowser('is taken along as CSV', async (page) => {
    await go(page, '/nodes?state=active');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
    assert.match(download.suggestedFilename(), /^nodes-fakechain-\d+\.csv$/);
    const lines = readFileSync(await download.path(), 'utf8').trim().split('\r\n');
    assert.match(lines[0], /^key,ed25519,/);
    assert.equal(lines.length - 1, (await getJSON('/v1/nodes?state=active&fields=key')).nodes.length);
    assert.equal(await page.getByRole('link', { name: 'The same from the API' }).getAttribute('href'), '/v1/nodes?state=active');
  });

  for (const [what, reply, says] of [
    ['there is no list yet', { status: 503, contentType: 'application/problem+json', body: '{"code":"behind","status":503,"title":"x","detail":"x"}' }, /has not read a list/],
    ['the server fails', { status: 500, contentType: 'application/problem+json', body: '{"code":"internal","status":500,"title":"x","detail":"x"}' }, /could not be fetched/],
  ]) {
    inBrowser(`says that ${what}, and goes on when there is one`, async (page) => {
      await page.route(/\/v1\/nodes\?/, (route) => route.fulfill(reply));
      await page.goto(`${demo.url}/nodes`);
      await page.locator('main .note').filter({ hasText: says }).waitFor();
      await page.unroute(/\/v1\/nodes\?/);
      await count(page).waitFor();
    });
  }

  inBrowser('is gone into by j, and come back to at the row that was left', async (page) => {
    await go(page, '/nodes');
    const at = () => page.evaluate(() => document.activeElement?.closest('[data-row]')?.dataset.row);
    await rows(page).first().waitFor();
    for (let i = 0; i < 21; i++) await page.keyboard.press('j');
    await page.locator('[data-row="20"] a:focus').waitFor();
    assert.equal(await at(), '20');
    await page.keyboard.press('Enter');
    await page.getByText('Node registered').waitFor();
    await page.goBack();
    await page.locator('[data-row="20"] a:focus').waitFor();
  });

  inBrowser('says which order and columns of an address there are not', async (page) => {
    await go(page, '/nodes?order=nope&columns=state,zz');
    await page.getByText('“Sort by” is not written', { exact: false }).waitFor();
    await page.getByText('“Columns” is not written', { exact: false }).waitFor();
  });

  inBrowser('draws of 2,000 nodes those that are seen', async (page) => {
    await manyNodes(page, demo.url, 2000);
    await go(page, '/nodes');
    await page.getByText('2,000 of 2,000 nodes').waitFor();
    assert.ok((await rows(page).count()) < 60);
    await page.locator('.box').evaluate((box) => (box.scrollTop = box.scrollHeight));
    await page.locator('tbody tr[data-row="1999"]').waitFor();
    assert.ok((await rows(page).count()) < 60);
  });
});

describe('a node', () => {
  const some = async (state = 'active') => (await getJSON(`/v1/nodes?state=${state}&order=-decommissions`)).nodes[0];

  inBrowser('shows what is known of it, and by whom', async (page) => {
    const n = await some();
    const d = await getJSON(`/v1/nodes/${n.key}`);
    await page.goto(`${demo.url}/node#${n.key}`);
    await page.getByRole('heading', { level: 1, name: n.key.slice(0, 8) }).waitFor();
    await page.getByText(n.key, { exact: true }).waitFor();
    await page.getByText(d.snode, { exact: true }).waitFor();
    for (const heading of ['Latency', 'Who has reached it, and when', 'Decommissions', 'What happened to it', 'Credit and what comes', 'How good it is to use', 'Identity', 'Who staked', 'In its swarm']) {
      await page.getByRole('heading', { name: heading }).waitFor();
    }
    await page.getByText('Node registered').waitFor();
    await page.getByRole('row', { name: /Uptime proof.*The daemon asked.*came/ }).waitFor();
    await page.getByRole('row', { name: /Storage server, a question answered.*This server/ }).waitFor();
    assert.equal(await page.getByRole('meter').getAttribute('aria-valuenow'), String(d.credit));
    const mates = (await getJSON(`/v1/nodes?swarm=${n.swarm}&fields=key`)).nodes.filter((m) => m.key !== n.key);
    assert.equal(await page.locator('.mates li').count(), mates.length);
    // From one to another of its swarm, and back.
    await page.locator('.mates a').first().click();
    await page.getByRole('heading', { level: 1, name: mates[0].key.slice(0, 8) }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: n.key.slice(0, 8) }).waitFor();
  });

  inBrowser('draws what was measured, over the span that the address names', async (page) => {
    let measured;
    while (!measured) {
      measured = (await getJSON('/v1/nodes?latency=0s..&fields=key&limit=1&order=-latency')).nodes[0];
      if (!measured) await page.waitForTimeout(500); // the first round of checks is under way
    }
    await page.goto(`${demo.url}/node#${measured.key}`);
    await page.getByRole('img', { name: /Latency over 1 day: half of the means within [\d.]+ ms/ }).waitFor();
    assert.ok(await page.locator('canvas').evaluate((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((b) => b > 0)), 'nothing is drawn');
    await page.getByRole('button', { name: '5 years' }).click();
    await page.getByRole('img', { name: /Latency over 5 years/ }).waitFor();
    await page.waitForURL(`**/node?span=5y#${measured.key}`);
    await page.reload();
    await page.getByRole('img', { name: /Latency over 5 years/ }).waitFor();
    await page.getByText('As a table').click();
    await page.getByRole('region', { name: 'As a table' }).getByRole('cell').nth(1).filter({ hasText: /ms/ }).waitFor();
    await page.goBack();
    await page.getByRole('img', { name: /Latency over 1 day/ }).waitFor();
  });

  inBrowser('tells live that it goes out of service, in words', async (page) => {
    const victim = (await getJSON('/v1/nodes?state=active&credit=61..&fields=key')).nodes.at(-1);
    const number = JSON.parse(await demo.devnet('nodes', '--output', 'json')).find((n) => JSON.stringify(n).includes(victim.key)).node;
    await page.goto(`${demo.url}/node#${victim.key}`);
    await page.locator('.standing .big').filter({ hasText: 'active' }).waitFor();
    await demo.devnet('node', String(number), 'decommission');
    await page.locator('.standing .big').filter({ hasText: 'decommissioned' }).waitFor({ timeout: 30_000 });
    await page.locator('.outs .now').filter({ hasText: /Out of service since .*Because /s }).waitFor();
    await page.getByText('it may be deregistered', { exact: false }).waitFor();
    await page.getByText('It is in no swarm.').waitFor();
  });

  inBrowser('whose credit is used up is told in words', async (page) => {
    const n = await some();
    const d = await getJSON(`/v1/nodes/${n.key}`);
    const past = { height: 1, time: new Date(Date.now() - 60_000).toISOString() };
    const json = { ...d, state: 'decommissioned', credit: -491, credit_hours: -16.4, bad: ['it has -491 blocks of credit'], forecast: { ...d.forecast, deregistered_at: past } };
    await page.route(new RegExp(`/v1/nodes/${n.key}$`), (route) => route.fulfill({ json }));
    await page.goto(`${demo.url}/node#${n.key}`);
    await page.getByText('Its credit has been used up for about 16 hours.').waitFor();
    await page.getByText('It may be deregistered at any time.').waitFor();
    await page.getByText('Its credit is used up.').waitFor();
    await page.getByText(/of 100, if it were in service/).waitFor();
    assert.doesNotMatch(await page.locator('main').innerText(), /-\d+ (blocks|hours)/);
  });

  inBrowser('is named in no request for a page', async (page, asked) => {
    const n = await some();
    await go(page, '/nodes');
    await page.goto(`${demo.url}/node#${n.key}`);
    await page.getByText('Node registered').waitFor();
    assert.deepEqual(asked.filter((p) => p.includes(n.key) && !p.startsWith(`/v1/nodes/${n.key}`)), []);
  });

  inBrowser('that there is not is told apart from one that is not named', async (page) => {
    await page.goto(`${demo.url}/node#${'ab'.repeat(32)}`);
    await page.getByText('No node has this key', { exact: false }).waitFor();
    await page.goto(`${demo.url}/node#zz`);
    await page.getByText('This is no key of a node', { exact: false }).waitFor();
    await page.goto(`${demo.url}/node`);
    await page.getByText('No node is named', { exact: false }).waitFor();
  });
});

describe('both', () => {
  for (const colorScheme of ['light', 'dark']) {
    inBrowser(`have no serious fault for who cannot see, ${colorScheme}`, { colorScheme }, async (page) => {
      const key = (await getJSON('/v1/nodes?reachable=up&fields=key')).nodes[0].key;
      for (const [path, ready] of [['/nodes', '.count'], ['/nodes?credit=many&search=none_is_called_so', '.none'], [`/node#${key}`, '.line li']]) {
        await page.goto('about:blank');
        await page.goto(demo.url + path);
        await page.locator(ready).first().waitFor();
        await page.waitForLoadState('networkidle');
        await page.locator('details:not([open]) > summary').evaluateAll((all) => all.forEach((s) => s.parentElement.classList.contains('drop') || s.click()));
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        assert.deepEqual(violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => [path, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))]), []);
      }
    });
  }

  inBrowser('fit 320 px, in German', { viewport: { width: 320, height: 640 }, locale: 'de-DE' }, async (page) => {
    const key = (await getJSON('/v1/nodes?reachable=up&fields=key')).nodes[0].key;
    for (const [path, ready] of [['/nodes?state=active,decommissioned', '.count'], [`/node#${key}`, '.line li']]) {
      await page.goto(demo.url + path);
      await page.locator(ready).first().waitFor();
      await page.waitForLoadState('networkidle');
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320, path);
    }
    await page.getByText('Wer er ist').waitFor();
  });
});
