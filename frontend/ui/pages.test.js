// The pages over a living network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { lookUp, open, rounds, startBoth, startNetwork, state } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { demo, browser } = await startBoth();

/** Runs a test in a fresh browser profile. What the page logs as an error, or asks of anybody else, fails it. */
function inBrowser(name, options, what) {
  if (typeof options === 'function') [options, what] = [{}, options];
  test(name, async () => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 }, ...options });
    const strangers = [];
    const errors = [];
    context.on('request', (r) => {
      if (!r.url().startsWith(options.url ?? demo.url)) strangers.push(r.url());
    });
    context.on('weberror', (e) => errors.push(String(e.error())));
    try {
      await what(await open(context, options.url ?? demo.url), context);
      assert.deepEqual(strangers, [], 'asked others');
      assert.deepEqual(errors, [], 'errors');
    } finally {
      await context.close();
    }
  });
}

describe('home', () => {
  inBrowser('shows what the server says, and follows it', async (page) => {
    const status = await (await fetch(`${demo.url}/v1/status`)).json();
    const { session, wallet, lokinet } = status.names;
    const names = page.locator('.panel', { has: page.getByRole('heading', { name: 'Names' }) });
    await names.getByText(String(session + wallet + lokinet), { exact: false }).first().waitFor();
    const nodes = await (await fetch(`${demo.url}/v1/nodes/aggregate?by=state`)).json();
    await page.locator('.panel', { has: page.getByRole('heading', { name: 'Service nodes' }) }).getByText(String(nodes.nodes), { exact: false }).first().waitFor();

    await demo.devnet('register', 'told_live', '@zoe');
    await page.locator('[aria-labelledby=events-title] li').first().filter({ hasText: 'Session name bought' }).waitFor();
    await page.locator('.standing', { hasText: String(status.height + 1) }).waitFor();
  });

  inBrowser('says what an input is taken for and what would leave, and asks nobody while one types', async (page, context) => {
    await page.locator('.figure').first().waitFor();
    await page.locator('.figure').nth(2).waitFor();
    await page.locator('[aria-labelledby=events-title] li').nth(5).waitFor();
    await rounds(page); // the nodes are counted once more with the first block that is told
    const asked = [];
    context.on('request', (r) => asked.push(new URL(r.url()).pathname));
    const key = 'a1'.repeat(32);
    for (const [text, kinds, leaves] of [
      ['alice', ['name'], /whole registry/],
      ['blocks.loki', ['Lokinet name'], /whole registry/],
      ['no spaces', ['name'], /cannot be registered/],
      ['05' + key, ['Session id'], /nothing\.$/],
      [key, ['hash of a name', 'service node', 'transaction', 'owner of names', 'name'], /whole registry/],
      ['kcpyawm9se7trdbzncimdi5t7st4p5mh9i1mg7gkpuubi4k4ku1y.snode', ['service node'], /list of all nodes/],
      ['127.0.0.1', ['address of a node'], /list of all nodes/],
      ['LAkPhzcYonhYMFFH1cvBs2fJrVUcLTjCLf62t9EWJacVUpn6hrunDu4YmT48gNq1paBK9b9rViB8hCJMnKPBhVxV5fjVC9F', ['owner of names'], /owner’s address/],
      ['1,234', ['block height'], /nothing\.$/],
    ]) {
      await page.locator('#box').pressSequentially(text, { delay: 0 });
      assert.deepEqual(await page.locator('.chip').allTextContents(), kinds, text);
      assert.match((await page.locator('.leaves').textContent()).trim(), leaves, text);
      await page.locator('#box').fill('');
    }
    assert.deepEqual(asked.filter((p) => p !== '/v1/status'), []); // which is asked every few seconds
  });
});

describe('a name', () => {
  inBrowser('is opened in the browser', async (page) => {
    await lookUp(page, 'Alice');
    assert.equal(await state(page), 'registered');
    assert.equal(await page.getByTestId('value').textContent(), (await demo.onsight('resolve', 'alice')).trim());
    await page.getByRole('heading', { name: 'History' }).waitFor();
    await page.getByText('bought', { exact: false }).first().waitFor();
    for (const app of ['Session Desktop', 'Session for Android', 'Session for iOS']) {
      await page.getByRole('row', { name: new RegExp(`${app}.*yes`) }).waitFor();
    }
    await page.getByRole('row', { name: /session\.js.*no.*capital letters/ }).waitFor();
    await page.getByRole('button', { name: 'QR code' }).click();
    await page.getByRole('img', { name: 'QR code' }).waitFor();
    await page.getByText('How this was answered').click();
    await page.getByText('nothing of the name was sent', { exact: false }).waitFor();
  });

  for (const [text, want, says] of [
    ['nobody_has_this', 'available', /can be bought/],
    ['bob.loki', 'expired', /anybody may buy it/],
    ['no spaces', 'invalid', /only letters/],
    ['snode.loki', 'invalid', /reserved/],
  ]) {
    inBrowser(`${text} is ${want}`, async (page) => {
      await lookUp(page, text);
      assert.equal(await state(page), want);
      assert.match(await page.locator('[data-state]').textContent(), says);
    });
  }

  inBrowser('that is not ASCII leads to what apps look for', async (page) => {
    await lookUp(page, 'Ünal');
    await page.getByRole('button', { name: 'xn--nal-goa' }).click();
    await page.locator('[data-state=available]').waitFor();
  });

  inBrowser('has all its types', async (page) => {
    await lookUp(page, 'ivan');
    const session = await page.getByTestId('value').textContent();
    await page.getByRole('tab', { name: /Wallet/ }).click();
    assert.match(await page.getByTestId('value').textContent(), /^L/);
    await page.getByRole('tab', { name: /Lokinet/ }).click();
    assert.match(await page.getByTestId('value').textContent(), /\.loki$/);
    await page.getByRole('tab', { name: /Session/ }).click();
    assert.equal(await page.getByTestId('value').textContent(), session);
  });

  inBrowser('is in no address, comes back with the history, and is forgotten by loading afresh', async (page) => {
    await lookUp(page, 'alice');
    assert.equal(page.url(), `${demo.url}/name`);
    assert.doesNotMatch(await page.title(), /alice/);
    await lookUp(page, 'dave');
    await page.goBack();
    await page.getByRole('heading', { name: 'alice', level: 1 }).waitFor();
    await page.goForward();
    await page.getByRole('heading', { name: 'dave', level: 1 }).waitFor();
    await page.reload();
    await page.getByText('does not know them', { exact: false }).waitFor();
  });

  inBrowser('is looked at again when the chain is reorganised, without loading anew', async (page) => {
    await demo.devnet('register', 'fresh_one', '@zoe');
    await lookUp(page, 'fresh_one');
    await page.locator('[data-state=registered]').waitFor();
    await page.getByText('not final yet', { exact: false }).waitFor();
    await page.getByText('How this was answered').click();
    const before = await page.locator('details code').first().textContent();
    await demo.devnet('reorg', '2');
    await page.getByText('The chain was reorganised: its newest 2 blocks', { exact: false }).waitFor();
    await page.locator('details code').first().filter({ hasNotText: before }).waitFor();
    // Its transaction is in the new blocks, too, or was taken back.
    if ((await demo.onsight('resolve', 'fresh_one').catch(() => '')) !== '') assert.equal(await state(page), 'registered');
    else {
      await page.locator('[data-state=available]').waitFor();
      await page.locator('li.gone s', { hasText: 'bought' }).waitFor();
    }
    await page.getByRole('button', { name: 'Close' }).click();
  });

  inBrowser('is not asked for where there are too few to hide among', async (page) => {
    // An offer that would leave a name among too few: the server is real, its words are changed on the way.
    await page.route('**/v1/names/range', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), bits: 8 } });
    });
    await page.reload();
    const ranges = [];
    page.on('request', (r) => {
      if (/\/range\/\d/.test(r.url())) ranges.push(r.url());
    });
    await lookUp(page, 'alice');
    assert.equal(await state(page), 'refused');
    assert.deepEqual(ranges, []);
    await page.getByRole('button', { name: /Download the registry/ }).click();
    await page.locator('[data-state=registered]').waitFor(); // from the bundle, which reveals nothing
  });

  inBrowser('that could not be looked up again stays, and says so', async (page) => {
    await lookUp(page, 'alice');
    const value = await page.getByTestId('value').textContent();
    await page.route('**/v1/names/range/0/0', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: { code: 'behind' } }));
    await page.getByRole('button', { name: 'Look it up again' }).click();
    await page.getByText('Looking it up again brought no answer', { exact: false }).waitFor();
    assert.equal(await state(page), 'registered');
    assert.equal(await page.getByTestId('value').textContent(), value);
    await page.unroute('**/v1/names/range/0/0');
    await page.getByRole('button', { name: 'Look it up again' }).click();
    await page.getByText('Looking it up again brought no answer', { exact: false }).waitFor({ state: 'detached' });
  });

  inBrowser('that cannot be asked for could not be found out', async (page) => {
    await page.route('**/v1/names/**', (route) => route.abort());
    await lookUp(page, 'alice');
    assert.equal(await state(page), 'failed');
    await page.unroute('**/v1/names/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('[data-state=registered]').waitFor();
  });
});

describe('a value of 2020', () => {
  const id = '05' + 'ab'.repeat(32);
  const other = '05' + 'cd'.repeat(32);
  let network;
  let context;
  let page;
  before(async () => {
    network = await startNetwork([`session old_name ${id} legacy`, `session old_other ${other} legacy`, `session new_name ${id}`]);
  });
  after(() => network?.close());
  beforeEach(async () => {
    context = await browser.newContext({ locale: 'en-GB' });
    page = await open(context, network.url);
    await lookUp(page, 'old_name');
    await page.locator('[data-state=needs_update]').waitFor();
  });
  afterEach(() => context?.close());
  const press = () => page.getByRole('button', { name: 'Open it anyway' }).click();

  test('is opened on consent', async () => {
    assert.equal(await page.getByTestId('value').count(), 0);
    await page.getByRole('row', { name: /Session Desktop.*no.*2020/ }).waitFor();
    await press();
    await page.getByRole('progressbar').waitFor();
    await page.getByTestId('value').waitFor({ timeout: 90_000 });
    assert.equal(await page.getByTestId('value').textContent(), id);
    const { height } = await (await fetch(`${network.url}/v1/status`)).json();
    await network.devnet('mine', '1');
    await page.locator('.standing', { hasText: String(height + 1) }).waitFor();
    assert.equal(await page.getByTestId('value').textContent(), id); // a new block does not close it
  });

  test('that is being opened is let go where another name is looked at', async () => {
    const workers = [];
    page.on('worker', (w) => workers.push(new Promise((resolve) => w.once('close', resolve))));
    await press();
    await page.getByRole('progressbar').waitFor();
    await lookUp(page, 'old_other');
    await page.getByRole('heading', { name: 'old_other', level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Open it anyway' }).waitFor();
    assert.equal(workers.length, 1);
    await workers[0]; // stopped, with all its memory
    assert.equal(await page.getByTestId('value').count(), 0);
    await press();
    await page.getByTestId('value').waitFor({ timeout: 90_000 });
    assert.equal(await page.getByTestId('value').textContent(), other);
    assert.ok(await page.evaluate(() => document.activeElement.contains(document.querySelector('[data-testid=value]')))); // not at the page's begin
    await page.getByRole('tab', { name: /Wallet/ }).click();
    await page.locator('[data-state=available]').waitFor();
    assert.equal(await page.getByTestId('value').count(), 0);
    await page.getByRole('tab', { name: /Session/ }).click();
    assert.equal(await page.getByTestId('value').textContent(), other); // it need not be opened again
  });

  test('that is being opened can be stopped', async () => {
    await press();
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.getByRole('button', { name: 'Open it anyway' }).waitFor();
    assert.equal(await page.getByRole('progressbar').count(), 0);
    assert.notEqual(await page.evaluate(() => document.activeElement.tagName), 'BODY');
  });

  test('that takes more memory than there is can be tried again', async () => {
    await page.route(/argon2\.worker/, async (route) => {
      const response = await route.fetch();
      const none = 'globalThis.Uint32Array = class extends Uint32Array { constructor(...a) { if (a[0] > 1e6) throw new RangeError("Array buffer allocation failed"); super(...a); } };';
      await route.fulfill({ response, body: none + (await response.text()) });
    });
    await press();
    await page.getByText('The browser could not do it').waitFor();
    await page.unroute(/argon2\.worker/);
    await press();
    await page.getByTestId('value').waitFor({ timeout: 90_000 });
  });
});

describe('what happened to a name', () => {
  let network;
  before(async () => {
    network = await startNetwork(['session alice 05' + 'ab'.repeat(32)]); // in whose blocks nothing happens by itself
  });
  after(() => network?.close());

  for (const name of ['alice', 'nobody_has_this']) {
    test(`is asked for in the same way whether the name is there or not: ${name}`, async () => {
      const context = await browser.newContext({ locale: 'en-GB' });
      try {
        const page = await open(context, network.url);
        const asked = [];
        page.on('request', (r) => asked.push(...(/\/v1\/names\/.*/.exec(r.url()) ?? [])));
        await Promise.all([page.waitForResponse(/\/range\/0\/0\/history$/), lookUp(page, name)]);
        assert.deepEqual(asked.filter((p) => p !== '/v1/names/range'), ['/v1/names/range/0/0', '/v1/names/range/0/0/history']);
        // A block in which nothing happened to any name is no reason to ask again.
        asked.length = 0;
        await Promise.all([page.waitForResponse(/\/range\/0\/0$/), network.devnet('mine', '1')]);
        await rounds(page);
        assert.deepEqual(asked.filter((p) => p.endsWith('/history')), []);
        await Promise.all([page.waitForResponse(/\/range\/0\/0\/history$/), network.devnet('register', `other_than_${name}`, '05' + 'cd'.repeat(32))]);
      } finally {
        await context.close();
      }
    });
  }
});

describe('what is no name', () => {
  inBrowser('a node by its key and its address, found in the list', async (page) => {
    const { nodes } = await (await fetch(`${demo.url}/v1/nodes?limit=1`)).json();
    for (const text of [nodes[0].ip, nodes[0].key]) {
      await page.locator('#box').fill(text);
      if (text === nodes[0].key) await page.getByRole('button', { name: 'service node' }).click();
      await page.locator('#box').press('Enter');
      await page.waitForURL(`**/node#${nodes[0].key}`);
      await page.goBack();
      await page.locator('#box').waitFor();
      assert.equal(new URL(page.url()).pathname, '/');
    }
    await page.locator('#box').fill('127.0.0.1');
    await page.locator('#box').press('Enter');
    await page.locator('[data-seen=nodes]').getByText('None of the').waitFor();
  });

  inBrowser('an owner, a hash, a Session id', async (page) => {
    const { records } = await (await fetch(`${demo.url}/v1/names/range/0/0`)).json();
    await lookUp(page, records[0].owner);
    await page.locator('[data-seen=owned]').getByTitle(records[0].name_hash).waitFor();
    await lookUp(page, records[0].name_hash);
    await page.getByText('Its value opens only with the name', { exact: false }).waitFor();
    await lookUp(page, '05' + 'ab'.repeat(32));
    await page.getByText('nobody can find the names of an id', { exact: false }).waitFor();
  });

  inBrowser('a node, though its key was taken for a hash', async (page) => {
    const { nodes } = await (await fetch(`${demo.url}/v1/nodes?limit=1`)).json();
    await lookUp(page, nodes[0].key);
    await page.getByText('No name of this type with this hash is registered.').waitFor();
    assert.doesNotMatch(await page.locator('main').textContent(), /bought from|Buy it/);
    await page.locator('[data-part=readings]').getByRole('button', { name: 'service node' }).click();
    await page.waitForURL(`**/node#${nodes[0].key}`);
    assert.equal(await page.title(), 'Service node · onsight');
    await page.getByRole('link', { name: 'Home', exact: true }).click();
    await page.locator('#box').fill(nodes[0].key);
    await page.getByRole('button', { name: 'service node', pressed: true }).waitFor(); // the list is here by now
  });

  inBrowser('a height, and a transaction of a name', async (page, context) => {
    const { records } = await (await fetch(`${demo.url}/v1/names/range/0/0`)).json();
    const { height, immutable_height: final } = await (await fetch(`${demo.url}/v1/status`)).json();
    await lookUp(page, String(final));
    await page.locator('[data-part=readings]').getByRole('button', { name: 'block height' }).click();
    await page.getByText(`Block ${final.toLocaleString('en-GB')} is in the index.`).waitFor();
    await page.getByText('It is final: no reorganisation can replace it.').waitFor();
    assert.match(await page.title(), /^What was typed/);
    await lookUp(page, `${Math.floor(height / 1000) + 9},000`);
    await page.getByText('The index does not have block', { exact: false }).waitFor();
    const sent = [];
    context.on('request', (r) => sent.push(r.url() + (r.postData() ?? '')));
    await page.locator('#box').fill(records[0].txid);
    await page.getByRole('button', { name: 'transaction' }).click();
    await page.locator('#box').press('Enter');
    await page.locator('[data-seen=said]').getByTitle(records[0].name_hash).first().waitFor();
    assert.ok(sent.some((s) => s.includes('/v1/events')));
    assert.ok(!sent.some((s) => s.includes(records[0].txid) || s.includes(records[0].name_hash)));
  });

  inBrowser('a name with a wrong character: it is named, and names that come near', async (page) => {
    await lookUp(page, 'iv an');
    await page.getByText('Not allowed in it:').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Look it up again' }).count(), 0);
    await page.getByRole('button', { name: 'ivan', exact: true }).click();
    await page.getByTestId('value').waitFor();
  });

  inBrowser('a page that is not there says so, and is an error to programs', async (page) => {
    const response = await page.goto(`${demo.url}/nothing`);
    assert.equal(response.status(), 404);
    await page.getByRole('heading', { name: 'No such page' }).waitFor();
    await page.getByRole('link', { name: 'To the home page' }).click();
    await page.locator('#box').waitFor();
    const asked = await fetch(`${demo.url}/nothing`);
    assert.equal(asked.status, 404);
    assert.match(asked.headers.get('content-type'), /problem\+json/);
  });
});

describe('for everybody', () => {
  inBrowser('keys alone do everything', async (page) => {
    await page.keyboard.press('/');
    await page.keyboard.type('ivan');
    await page.keyboard.press('Enter');
    await page.locator('[data-state=registered]').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H1');
    await page.keyboard.press('2');
    await page.getByRole('tab', { name: /Wallet/, selected: true }).waitFor();
    await page.getByRole('tab', { name: /Wallet/ }).press('ArrowRight');
    await page.getByRole('tab', { name: /Lokinet/, selected: true }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await page.getByRole('heading', { name: /without telling/ }).waitFor();
    await page.keyboard.press('t');
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'light');
  });

  inBrowser('language and colours are kept', async (page) => {
    await page.getByLabel('Language').selectOption('de');
    await page.getByRole('heading', { name: /ohne ihn zu verraten/ }).waitFor();
    await page.getByRole('button', { name: 'Farben: wie das System' }).click();
    await page.reload();
    await page.getByRole('heading', { name: /ohne ihn zu verraten/ }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'de');
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'light');
  });

  inBrowser('German is taken from the browser', { locale: 'de-AT' }, (page) => page.getByRole('heading', { name: /ohne ihn zu verraten/ }).waitFor());

  inBrowser('an index that is behind, and a server that is gone, say so', async (page) => {
    await page.route('**/v1/status', async (route) => {
      const response = await route.fetch();
      const status = await response.json();
      await route.fulfill({ response, json: { ...status, ready: false, lag: 1234, target_height: status.height + 1234 } });
    });
    await page.getByText('It is 1,234 blocks below the chain', { exact: false }).waitFor({ timeout: 15_000 });
    await page.unroute('**/v1/status');
    await page.route('**/v1/status', (route) => route.abort());
    await page.getByText('The server does not answer').waitFor({ timeout: 15_000 });
  });

  for (const [look, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    phone: { colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true },
    German: { locale: 'de-DE', viewport: { width: 320, height: 640 } },
  })) {
    inBrowser(`axe finds nothing, and nothing stands out of the page: ${look}`, { ...options, reducedMotion: 'reduce' }, async (page) => {
      const check = async (what) => {
        await page.evaluate(axe); // evaluated by the debugger, which the policy does not bind
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
        assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], what);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is wider than the window`);
      };
      await page.locator('.figure').nth(2).waitFor();
      await check('home');
      await page.locator('#box').fill('999');
      await check('typed');
      for (const text of ['alice', 'nobody_has_this', 'no spaces', 'bob.loki', '127.0.0.1']) {
        await lookUp(page, text);
        await page.waitForLoadState('networkidle');
        await check(text);
      }
      await page.keyboard.press('Tab');
      await page.evaluate(() => document.activeElement?.blur());
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
      await check('keys');
    });
  }
});
