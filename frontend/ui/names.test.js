// The pages of names, owners, events and reorganisations over a living network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { open, startBoth } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { demo, browser } = await startBoth();

const get = async (path) => (await fetch(demo.url + path)).json();

/** Registers a name, and waits until the index has it; returns its hash. */
async function register(name) {
  const { blake2b } = await import('@noble/hashes/blake2.js');
  const hash = Buffer.from(blake2b(new TextEncoder().encode(name), { dkLen: 32 })).toString('hex');
  await demo.devnet('register', name, '@zoe');
  for (;;) {
    const { names } = await get('/v1/names?kind=buy&limit=20');
    if (names.some((n) => n.name_hash === hash)) return hash;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs a test in a fresh browser profile, at a page. What the page logs as an error, or asks of anybody else, fails it. */
function inBrowser(name, path, options, what) {
  if (typeof options === 'function') [options, what] = [{}, options];
  test(name, async () => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 }, ...options });
    const sent = [];
    const errors = [];
    context.on('request', (r) => sent.push([r.url(), r.postData() ?? '', JSON.stringify(r.headers())].join(' ')));
    context.on('weberror', (e) => errors.push(String(e.error())));
    try {
      await what(await open(context, demo.url + path), { context, sent });
      assert.deepEqual(sent.filter((r) => !r.startsWith(demo.url)), [], 'asked others');
      assert.deepEqual(errors, [], 'errors');
    } finally {
      await context.close();
    }
  });
}

/** All that is kept in a profile, as text. */
const kept = async (page, context) =>
  JSON.stringify([await context.storageState({ indexedDB: true }), await page.evaluate(() => [location.href, document.title, JSON.stringify(history.state), { ...sessionStorage }, { ...localStorage }])]);

const rows = (page) => page.locator('[data-part=changed] li');

describe('names', () => {
  inBrowser('all together, as the API counts them, and live', '/names', async (page) => {
    const s = await get('/v1/names/statistics');
    const panel = (name) => page.locator('.figures .panel', { has: page.getByRole('heading', { name, exact: true }) });
    for (const [type, name] of Object.entries({ session: 'Session', wallet: 'Wallet', lokinet: 'Lokinet' })) {
      await panel(name).locator('.figure').filter({ hasText: new RegExp(`^${s[type].active} `) }).waitFor();
    }
    await page.getByText(`owners of names that are alive, ${s.owners.of_one} of them`, { exact: false }).waitFor();
    await page.locator('[data-part=ending] li').nth(3).waitFor();
    assert.equal(await page.locator('figure canvas').count(), 3);
    await page.getByRole('img', { name: new RegExp(`^Session, Bought: ${s.session.changes.buys} in 90 days`) }).waitFor();

    const hash = await register('names_live');
    await rows(page).filter({ has: page.getByTitle(hash) }).getByText('not final').waitFor();
    const { active } = (await get('/v1/names/statistics')).session;
    assert.ok(active > s.session.active);
    await panel('Session').locator('.figure').filter({ hasText: new RegExp(`^${active} `) }).waitFor();
  });

  inBrowser('filters and the chart’s choices are the address, and survive loading afresh and back', '/names', async (page) => {
    await rows(page).first().waitFor();
    await page.getByRole('group', { name: 'Type' }).getByRole('button', { name: 'Wallet' }).click();
    await page.getByRole('group', { name: 'Status' }).getByRole('button', { name: 'Registered' }).click();
    await page.getByRole('group', { name: 'Period' }).getByRole('button', { name: '30 days' }).click();
    await page.getByRole('group', { name: 'What is counted' }).getByRole('button', { name: 'Changed' }).click();
    await page.getByRole('group', { name: 'Within' }).getByRole('button', { name: 'A day' }).click();
    const query = '?type=wallet&status=registered&days=30&count=updates&within=day';
    const check = async () => {
      assert.equal(new URL(page.url()).search, query);
      const { names } = await get('/v1/names?type=wallet&status=registered&limit=25');
      await rows(page).first().getByTitle(names[0].name_hash).waitFor();
      assert.equal(await rows(page).count(), names.length);
      assert.equal(await rows(page).filter({ hasNotText: 'Wallet' }).count(), 0);
      await page.getByRole('img', { name: /^Lokinet, Changed: .* in 30 days/ }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Wallet', pressed: true }).count(), 1);
    };
    await check();
    await page.reload();
    await check();
    await page.getByRole('button', { name: 'Show all' }).click();
    await rows(page).filter({ hasText: 'Session' }).first().waitFor();
    await page.goBack();
    await check();
    await rows(page).first().locator('button').first().click(); // away to another page, and back
    await page.locator('[data-state]').waitFor();
    await page.goBack();
    await check();
  });

  inBrowser('more of them are shown on demand', '/names?type=session', async (page) => {
    await rows(page).nth(24).waitFor();
    assert.equal(await rows(page).count(), 25);
    await page.locator('[data-part=changed]').getByRole('button', { name: 'Show more' }).click();
    await rows(page).nth(74).waitFor();
  });

  inBrowser('it is said why they cannot be listed', '/names', async (page) => {
    await page.getByRole('button', { name: 'Why not by name?' }).click();
    await page.getByText('from which the name does not follow', { exact: false }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'why-title');
  });

  inBrowser('one’s own are shown as text, and leave no trace', '/names', async (page, { context, sent }) => {
    const hash = await register('own_canary_9');
    const mine = rows(page).filter({ has: page.getByTitle(hash) });
    await mine.waitFor();
    await page.getByText('Show names of mine as text').click();
    await page.getByLabel('Names, one a line').fill('Own_Canary_9\nno!name alice');
    const before = sent.length;
    await page.getByRole('button', { name: 'Show them' }).click();
    await mine.getByRole('button', { name: 'own_canary_9' }).waitFor();
    await page.getByText('No wallet registers such names: no!name').waitFor();
    assert.deepEqual(sent.slice(before).filter((r) => !/\/(assets\/|v1\/status)/.test(r)), []);

    // In other lists too, and on its page, whose address does not have it.
    await page.getByRole('link', { name: 'Every event' }).click();
    await page.locator('li[data-kind=buy]').getByRole('button', { name: 'own_canary_9' }).click();
    await page.locator('[data-state=registered]').waitFor();
    assert.equal(page.url(), `${demo.url}/name`);
    const traces = JSON.stringify(sent).toLowerCase() + (await kept(page, context)).toLowerCase();
    for (const trace of ['own_canary_9', hash, Buffer.from(hash, 'hex').toString('base64url').toLowerCase()]) assert.ok(!traces.includes(trace), trace);
    await page.goto(`${demo.url}/names`);
    await mine.waitFor();
    assert.equal(await page.getByRole('button', { name: 'own_canary_9' }).count(), 0);
  });

  inBrowser('what cannot be asked for says so, and can be tried again', '/', async (page) => {
    await page.route('**/v1/names/statistics*', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: { code: 'behind' } }));
    await page.route('**/v1/names?*', (route) => route.abort());
    await page.route('**/v1/names/expiring*', (route) => route.fulfill({ status: 429, headers: { 'Retry-After': '7' }, contentType: 'application/problem+json', json: { code: 'rate_limited' } }));
    await page.locator('header').getByRole('link', { name: 'Names' }).click();
    await page.getByText('The index has not read far enough', { exact: false }).waitFor();
    await page.locator('[data-part=changed]').getByText('The server does not answer').waitFor();
    await page.locator('[data-part=ending]').getByText('Try again in 7 seconds', { exact: false }).waitFor();
    await page.unroute('**/v1/names?*');
    await page.locator('[data-part=changed]').getByRole('button', { name: 'Try again' }).click();
    await rows(page).first().waitFor();
  });
});

describe('an owner', () => {
  let owner;
  before(async () => {
    const { records } = await get('/v1/names/range/0/0');
    const count = new Map();
    for (const r of records) count.set(r.owner, (count.get(r.owner) ?? 0) + 1);
    // An address, which can be nothing else; a key could be a hash as well.
    owner = [...count].filter(([one]) => one.startsWith('L')).sort((a, b) => b[1] - a[1])[0][0];
  });
  const ask = async (page) => {
    await page.getByLabel(/^Wallet address/).fill(owner);
    await page.getByRole('button', { name: 'Ask the server' }).click();
    await page.locator('[data-seen=owned]').waitFor();
  };

  inBrowser('leaves the browser only after that was said, and stands in no address', '/owner', async (page, { context, sent }) => {
    await page.getByLabel(/^Wallet address/).fill(owner.slice(0, 20));
    assert.ok(await page.getByRole('button', { name: 'Ask the server' }).isDisabled());
    await page.getByLabel(/^Wallet address/).fill(owner);
    await page.getByText('this address or key, with the press of the button', { exact: false }).waitFor();
    assert.ok(!JSON.stringify(sent).includes(owner));
    await page.getByRole('button', { name: 'Ask the server' }).click();
    await page.locator('[data-seen=owned] table').waitFor();
    const { names } = await get(`/v1/owners/${owner}/names`);
    assert.equal(await page.locator('tbody tr').count(), names.length);
    assert.equal(page.url(), `${demo.url}/owner`);
    assert.equal(sent.filter((r) => r.split(' ')[0].includes(owner)).every((r) => r.split(' ')[0].startsWith(`${demo.url}/v1/owners/${owner}/names`)), true);
    assert.ok(!(await kept(page, context)).includes(owner));
    await page.reload();
    await page.getByLabel(/^Wallet address/).waitFor();
    assert.equal(await page.getByLabel(/^Wallet address/).inputValue(), '');
  });

  inBrowser('from a list is filled in, and is asked about only when the visitor says so', '/names', async (page, { sent }) => {
    await rows(page).first().locator('.who button').click();
    await page.getByRole('button', { name: 'Ask the server' }).waitFor();
    assert.ok(!sent.some((r) => r.includes('/v1/owners/')));
    await page.getByRole('button', { name: 'Ask the server' }).click();
    await page.locator('[data-seen=owned] tbody tr').first().waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Ask the server' }).waitFor();
  });

  inBrowser('from the box is asked at once, since the box said what leaves', '/names', async (page) => {
    await page.locator('#box').fill(owner);
    await page.locator('#box').press('Enter');
    await page.locator('[data-seen=owned] tbody tr').first().waitFor();
    assert.equal(page.url(), `${demo.url}/owner`);
  });

  inBrowser('has a list that is sorted and filtered by the address, with names as text, and is kept in files', '/owner', async (page) => {
    await ask(page);
    const first = () => page.locator('tbody tr').first();
    await page.getByRole('button', { name: 'Type', exact: true }).click();
    await page.getByRole('button', { name: 'Type', exact: true }).click();
    assert.equal(new URL(page.url()).search, '?sort=-type');
    await page.getByRole('columnheader', { name: 'Type' }).and(page.locator('[aria-sort=descending]')).waitFor();
    const { names } = await get(`/v1/owners/${owner}/names`);
    const last = names.at(-1);
    await first().getByRole('cell', { name: { session: 'Session', wallet: 'Wallet', lokinet: 'Lokinet' }[last.type], exact: true }).waitFor();
    await page.getByRole('group', { name: 'Type' }).getByRole('button', { name: 'Session' }).click();
    await page.locator('tbody tr').nth(names.filter((n) => n.type === 'session').length - 1).waitFor();
    assert.equal(await page.locator('tbody tr').count(), names.filter((n) => n.type === 'session').length);
    await page.goBack();
    await page.locator('tbody tr').nth(names.length - 1).waitFor();

    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
    const csv = readFileSync(await file.path(), 'utf8');
    assert.equal(csv.trim().split('\r\n').length, names.length + 1);
    assert.match(csv, new RegExp(names[0].name_hash));
    if (names.some((n) => n.expires_at && n.status !== 'expired')) {
      const [calendar] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Calendar' }).click()]);
      assert.match(readFileSync(await calendar.path(), 'utf8'), /BEGIN:VEVENT/);
    }
    await page.reload(); // the order stays, the owner does not
    assert.equal(new URL(page.url()).search, '?sort=-type');
    await ask(page);
    await page.locator('[aria-sort=descending]').waitFor();
  });

  inBrowser('of another network, and one without names', '/owner', async (page) => {
    await page.getByLabel(/^Wallet address/).fill('L'.repeat(95));
    await page.getByRole('button', { name: 'Ask the server' }).click();
    await page.getByText('This is no address of the network').waitFor();
    await page.getByLabel(/^Wallet address/).fill('ab'.repeat(32));
    await page.getByRole('button', { name: 'Ask the server' }).click();
    await page.locator('[data-seen=owned]').getByText('No name has this owner').waitFor();
  });
});

describe('events', () => {
  const entries = (page) => page.locator('li[data-cursor]');
  const live = (page) => page.locator('[data-feed=live]').waitFor();

  inBrowser('come as they happen, and filters are the address', '/events', async (page) => {
    await live(page);
    await demo.devnet('register', 'events_live', '@zoe');
    await entries(page).first().filter({ hasText: 'Session name bought' }).waitFor();
    await page.getByRole('group', { name: 'Kind' }).getByRole('button', { name: 'given away' }).click();
    await page.getByRole('group', { name: 'Kind' }).getByRole('button', { name: 'expired' }).click();
    assert.equal(new URL(page.url()).search, '?kind=transfer,expire');
    await live(page);
    await entries(page).first().waitFor();
    const check = async () => assert.deepEqual([...new Set(await entries(page).evaluateAll((all) => all.map((e) => e.dataset.kind)))].filter((k) => k !== 'transfer' && k !== 'expire'), []);
    await check();
    await page.reload();
    await entries(page).first().waitFor();
    await check();
    await page.goBack();
    await page.locator('li[data-kind=expire], li[data-kind=transfer]').first().waitFor();
    assert.equal(new URL(page.url()).search, '?kind=transfer');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.locator('li[data-kind=node]').first().waitFor();
  });

  inBrowser('older ones are there to the beginning, each once', '/events?kind=buy,renew', async (page) => {
    await live(page);
    await entries(page).first().waitFor();
    for (let i = 0; i < 30 && (await page.getByRole('button', { name: 'Show older' }).count()) > 0; i++) await page.getByRole('button', { name: 'Show older' }).click();
    await page.getByText('Here the log begins').waitFor();
    const got = await entries(page).evaluateAll((all) => all.map((e) => e.dataset.cursor));
    const want = [];
    for (let after = 'start'; ; ) {
      const log = await (await fetch(`${demo.url}/v1/events?limit=1000&kind=buy,renew&after=${after}`, { headers: { Accept: 'application/json' } })).json();
      want.push(...log.events.map((e) => e.cursor));
      if (log.next === log.head) break;
      after = log.next;
    }
    assert.deepEqual(got, want.reverse());
  });

  inBrowser('nothing is lost, and nothing comes twice, where the connection was cut', '/events?kind=buy', async (page, { context }) => {
    await live(page);
    const before = await register('cut_before');
    await page.getByTitle(before).waitFor();
    await page.evaluate(() => (globalThis.marks = 1)); // it is not loaded afresh
    await context.setOffline(true);
    const hashes = [];
    for (const name of ['cut_one', 'cut_two', 'cut_three']) {
      hashes.push(await register(name));
      await demo.devnet('mine', '1');
    }
    await page.locator('[data-feed=waiting]').waitFor({ timeout: 45_000 });
    await context.setOffline(false);
    for (const hash of hashes) await page.getByTitle(hash).waitFor({ timeout: 45_000 });
    const all = await entries(page).evaluateAll((list) => list.map((e) => e.dataset.cursor));
    assert.equal(new Set(all).size, all.length);
    for (const hash of [...hashes, before]) assert.equal(await page.getByTitle(hash).count(), 1);
    assert.equal(await page.evaluate(() => globalThis.marks), 1);
    await live(page);
  });

  inBrowser('wait while they are paused', '/events?kind=buy', async (page) => {
    await live(page);
    await entries(page).first().waitFor();
    const first = await entries(page).first().getAttribute('data-cursor');
    await page.keyboard.press('p');
    await page.locator('[data-feed=paused]').waitFor();
    await demo.devnet('register', 'while_paused', '@zoe');
    await page.getByRole('button', { name: /^Show \d+ new$/ }).waitFor();
    assert.equal(await entries(page).first().getAttribute('data-cursor'), first);
    await page.getByRole('button', { name: /^Show \d+ new$/ }).click();
    assert.notEqual(await entries(page).first().getAttribute('data-cursor'), first);
  });

  inBrowser('a server with another log is noticed', '/events?kind=buy', async (page) => {
    await live(page);
    // What the server says is changed on the way: the stream ends, and the cursor is of a log that is no more.
    let asked = 0;
    await page.route(/\/v1\/events\?after=[0-9a-f]{16}-/, (route) => (asked++ === 0 ? route.fulfill({ status: 410, contentType: 'application/problem+json', json: { code: 'log_reset' } }) : route.fallback()));
    let cut = 0;
    await page.route('**/v1/events/stream*', (route) => (cut++ === 0 ? route.fulfill({ status: 410, contentType: 'application/problem+json', json: { code: 'log_reset' } }) : route.fallback()));
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
      Object.defineProperty(document, 'hidden', { value: false, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await page.getByText('The server began another log').waitFor();
    await live(page);
    await entries(page).first().waitFor();
  });
});

describe('a reorganisation', () => {
  inBrowser('shows up by itself, in its list and struck through in the log', '/reorgs', async (page, { context }) => {
    const log = await open(context, `${demo.url}/events?kind=buy,reorg`);
    await log.locator('[data-feed=live]').waitFor();
    const hash = await register('undone_soon');
    await log.getByTitle(hash).waitFor();
    await page.bringToFront();
    await demo.devnet('reorg', '2');
    await page.locator('[data-reorg]').first().waitFor();
    const [newest] = (await get('/v1/reorgs?limit=1')).reorgs;
    const shown = page.locator(`[data-reorg="${newest.id}"]`);
    await shown.waitFor();
    await shown.getByRole('heading', { name: newest.depth === 1 ? 'One block replaced' : `${newest.depth} blocks replaced` }).waitFor();
    const undone = shown.locator('[data-fate=lost], [data-fate=again]');
    assert.equal(await undone.count(), newest.undone.count);
    assert.equal(await undone.locator('s').count(), newest.undone.count);
    await shown.getByText('Blocks', { exact: true }).click();
    await shown.getByText(newest.from.hash).waitFor();

    await log.bringToFront();
    await log.locator('li[data-kind=reorg]').first().waitFor();
    await log.locator('li[data-kind=buy].gone', { has: log.getByTitle(hash) }).locator('s').waitFor();
    await log.locator('li[data-kind=reorg]').first().getByRole('button').click();
    await log.locator(`[data-reorg="${newest.id}"]`).waitFor();
  });

  inBrowser('its filters are the address', '/reorgs?show=deep', async (page) => {
    await demo.devnet('reorg', '4');
    await page.locator('[data-reorg]').first().waitFor();
    const { reorgs } = await get('/v1/reorgs');
    await page.locator('[data-reorg]').nth(reorgs.filter((r) => r.depth >= 3).length - 1).waitFor();
    assert.equal(await page.locator('[data-reorg]').count(), reorgs.filter((r) => r.depth >= 3).length);
    await page.reload();
    await page.getByRole('button', { name: 'three blocks or deeper', pressed: true }).waitFor();
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.locator('[data-reorg]').nth(reorgs.length - 1).waitFor();
    assert.equal(page.url(), `${demo.url}/reorgs`);
  });
});

describe('for everybody', () => {
  inBrowser('keys alone go everywhere', '/names', async (page) => {
    await rows(page).first().waitFor();
    const link = page.getByRole('navigation', { name: 'About names' }).getByRole('link', { name: 'Events' });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.locator('[data-feed=live]').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H1');
    const chip = page.getByRole('group', { name: 'Kind' }).getByRole('button', { name: 'bought' });
    await chip.focus();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'bought', pressed: true }).waitFor();
    assert.equal(await chip.evaluate((e) => e === document.activeElement), true); // a filter takes nobody away from it
  });

  for (const [look, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    phone: { colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true },
    German: { locale: 'de-DE', viewport: { width: 320, height: 640 }, colorScheme: 'dark' },
  })) {
    inBrowser(`axe finds nothing, and nothing stands out of the page: ${look}`, '/names', { ...options, reducedMotion: 'reduce' }, async (page) => {
      const check = async (what) => {
        await page.locator('h1').first().waitFor(); // the page is there
        await page.evaluate(axe); // evaluated by the debugger, which the policy does not bind
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
        assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is wider than the window`);
      };
      await rows(page).first().waitFor();
      await page.locator('figure canvas').nth(2).waitFor();
      await page.locator('details summary').first().click();
      await page.locator('details.panel summary').click();
      await check('names');
      await page.goto(`${demo.url}/events`);
      await page.locator('li[data-cursor]').first().waitFor();
      await check('events');
      await page.goto(`${demo.url}/reorgs`);
      await page.locator('[data-reorg]').first().waitFor();
      await page.locator('[data-reorg] summary').first().click();
      await check('reorgs');
      await page.goto(`${demo.url}/owner`);
      await check('owner');
      const { names } = await get('/v1/names?limit=1');
      await page.locator('#owner').fill(names[0].owner);
      await page.locator('main form button.primary').click();
      await page.locator('[data-seen=owned] tbody tr').first().waitFor();
      await check('owned');
    });
  }
});
