// What leaves the browser and what stays in it while names are looked up: no name, no hash, no id.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { lookUp, open, startBoth } from './harness.js';

const { demo, browser } = await startBoth('--names', '3000');

/** The ways a name could be written, and what it leads to. */
function traces(name, value) {
  const out = new Set([name, value]);
  for (const text of [name, `${name}.loki`]) {
    const hash = hash256(text);
    out.add(hash.toString('hex'));
    out.add(hash.toString('base64').slice(0, 43));
    out.add(hash.toString('base64url'));
  }
  return [...out].map((s) => s.toLowerCase());
}

// Node's own BLAKE2b has one length only.
let hash256;
before(async () => {
  const { blake2b } = await import('@noble/hashes/blake2.js');
  hash256 = (text) => Buffer.from(blake2b(new TextEncoder().encode(text), { dkLen: 32 }));
});

/** All that is kept in a profile, as text. */
async function kept(page, context) {
  return JSON.stringify([
    await context.storageState({ indexedDB: true }),
    await page.evaluate(async () => [
      location.href, document.title, JSON.stringify(history.state), { ...sessionStorage }, { ...localStorage }, await caches.keys().catch(() => []),
      (await indexedDB.databases()).map((d) => d.name),
    ]),
  ]).toLowerCase();
}

/** Opens a page in a profile of its own, and writes down all that it sends. */
async function watched(what) {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const sent = [];
    context.on('request', (r) => sent.push({ path: new URL(r.url()).pathname + new URL(r.url()).search, all: [r.url(), JSON.stringify(r.headers()), r.postData() ?? ''].join(' ').toLowerCase() }));
    await what(await open(context, demo.url), { context, sent });
    assert.deepEqual(await context.cookies(), []);
  } finally {
    await context.close();
  }
}

const ranges = (sent) => sent.flatMap((s) => /^\/v1\/names\/range\/(\d.*)$/.exec(s.path)?.[1] ?? []);

/** How many names share so many bits if there are so many, as is said, but no more than the server has. */
async function among(names, bits) {
  const { hashes } = await (await fetch(`${demo.url}/v1/names/range`)).json();
  return Math.floor(Math.min(names, hashes) / (1 << bits)).toLocaleString('en-GB');
}

/** Says on the page about privacy how many names exist at least. */
async function tell(page, names) {
  await page.locator('footer, header').getByRole('link', { name: 'Privacy' }).first().click();
  await page.getByLabel('At least so many names exist').fill(String(names));
  await page.getByRole('button', { name: 'Look names up by a range' }).click();
  await page.getByText(`At least ${names.toLocaleString('en-GB')} names exist, as you said`).waitFor();
}

/** Nothing of these names, nor of what they lead to, was sent or is kept. */
async function assertNoTrace(page, context, sent, found) {
  const state = await kept(page, context);
  for (const [name, value] of Object.entries(found)) {
    for (const trace of traces(name, value)) {
      for (const s of sent) assert.ok(!s.all.includes(trace), `${trace} of ${name} was sent: ${s.path}`);
      // The stored bundle holds every name's hash, as bytes; as text, and apart from it, there is none.
      assert.ok(!state.includes(trace), `${trace} of ${name} is kept`);
    }
  }
}

test('names, hashes and ids leave no trace, whatever kind they are of', () =>
  watched(async (page, { context, sent }) => {
    const names = { carol: 'registered', ivan: 'registered', 'marked-canary_7': 'available', 'marked-canary-8.loki': 'available' };
    const found = {};
    for (const [name, want] of Object.entries(names)) {
      await lookUp(page, name);
      await page.locator(`[data-state=${want}]`).waitFor();
      found[name.replace('.loki', '')] = want === 'registered' ? await page.getByTestId('value').textContent() : name;
    }
    await lookUp(page, 'ivan');
    for (const [type, like] of [['Wallet', /^L/], ['Lokinet', /\.loki$/]]) {
      await page.getByRole('tab', { name: type }).click();
      const value = await page.getByTestId('value').textContent();
      assert.match(value, like);
      found[value] = value;
    }
    for (const hash of [hash256('carol').toString('hex'), hash256('marked-canary_7').toString('base64')]) {
      await page.goto(demo.url);
      await lookUp(page, hash);
      await page.locator('[data-state=registered], [data-state=available]').waitFor();
    }
    const id = found.carol;
    await lookUp(page, id);
    await page.locator('[data-seen]').waitFor();
    // The registry is too large to be asked for as a range, and nobody else has counted it: so all of it came.
    assert.deepEqual(ranges(sent), []);
    assert.ok(sent.some((s) => s.path.startsWith('/v1/names/bundle')));
    await assertNoTrace(page, context, sent, found);
  }));

test('a bundle of the same server vouches for no number of names', () =>
  watched(async (page, { sent }) => {
    await lookUp(page, 'carol');
    await page.getByText('Asking for the rest fetches all of it', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Owner, dates and history' }).click();
    await page.getByRole('heading', { name: 'History' }).waitFor();
    assert.deepEqual(ranges(sent), ['0/0/history']);
  }));

test('by a range, one look-up asks for one prefix, whether the name is there or not', () =>
  watched(async (page, { context, sent }) => {
    await tell(page, 3000);
    await page.getByTestId('plan').filter({ hasText: `A range by 4 bits of the hash, which some ${await among(3000, 4)} names share` }).waitFor();
    const found = {};
    for (const [name, want] of [['carol', 'registered'], ['marked-canary_9', 'available'], ['ivan', 'registered']]) {
      const before = sent.length;
      await page.locator('#box').fill(name);
      await page.getByText(`4 bits of its hash, which some ${await among(3000, 4)} names share`, { exact: false }).waitFor();
      await lookUp(page, name);
      await page.locator(`[data-state=${want}]`).waitFor();
      const own = (hash256(name)[0] >> 4).toString(16);
      await page.waitForResponse((r) => r.url().endsWith('/history'), { timeout: 2000 }).catch(() => {});
      assert.deepEqual(ranges(sent.slice(before)), [`4/${own}`, `4/${own}/history`], name);
      assert.deepEqual(sent.slice(before).filter((s) => s.path.startsWith('/v1/') && !/^\/v1\/(status|names\/range)/.test(s.path)), []);
      // What needs more than the range is offered, and not done.
      await page.getByText('worked out here from the whole registry', { exact: false }).waitFor();
      found[name] = want === 'registered' ? await page.getByTestId('value').textContent() : name;
    }
    await page.getByText('How this was answered').click();
    await page.getByText('By range: 4 bits of the hash were sent', { exact: false }).waitFor();
    assert.match(await page.evaluate(() => localStorage.getItem('onsight.bits.fakechain')), /^4$/);

    // Another type has another hash: it is asked for when the visitor says so.
    let before = sent.length;
    await page.getByRole('tab', { name: /Lokinet/ }).click();
    await page.locator('[data-state=unasked]').waitFor();
    await page.getByRole('tab', { name: /Wallet/ }).click();
    await page.locator('[data-state=registered]').waitFor(); // it has the hash of the Session name
    assert.deepEqual(ranges(sent.slice(before)), []);
    await page.getByRole('tab', { name: /Lokinet/ }).click();
    await page.getByRole('button', { name: 'Look it up as well' }).click();
    await page.locator('[data-state=registered]').waitFor();
    await page.getByRole('heading', { name: 'History' }).waitFor();
    const other = (hash256('ivan.loki')[0] >> 4).toString(16);
    assert.deepEqual(ranges(sent.slice(before)), [`4/${other}`, `4/${other}/history`]);

    // Or from all of it, which reveals nothing.
    before = sent.length;
    await page.getByRole('button', { name: 'Download the registry', exact: false }).click();
    await page.getByRole('heading', { name: 'Who finds it' }).waitFor();
    await page.getByRole('tab', { name: /Session/ }).click();
    await page.locator('[data-state=registered]').waitFor();
    assert.ok(ranges(sent.slice(before)).every((r) => r.startsWith(`4/${other}`))); // if any, the one that was asked for before
    await assertNoTrace(page, context, sent, found);
  }));

test('while an answer is waited for, another tab asks for no second prefix', () =>
  watched(async (page, { sent }) => {
    await tell(page, 3000);
    let go;
    const gate = new Promise((resolve) => (go = resolve));
    await page.route(/\/v1\/names\/range\/4\//, async (route) => {
      await gate;
      await route.continue();
    });
    await page.locator('#box').fill('ivan');
    await page.locator('#box').press('Enter');
    await page.locator('[data-state=asking]').waitFor();
    await page.getByRole('tab', { name: /Lokinet/ }).click();
    go();
    await page.locator('[data-state=unasked]').waitFor();
    const own = (hash256('ivan')[0] >> 4).toString(16);
    assert.deepEqual([...new Set(ranges(sent).map((r) => r.slice(0, 3)))], [`4/${own}`]);
  }));

test('no more bits than ever before are sent unless the visitor says so, and as many as were shown', () =>
  watched(async (page, { sent }) => {
    await tell(page, 600);
    await lookUp(page, 'carol');
    await page.locator('[data-state=registered]').waitFor();
    await tell(page, 3000);
    await page.getByTestId('plan').filter({ hasText: `A range by 2 bits of the hash, which some ${await among(3000, 2)} names share` }).waitFor();
    await page.getByText('fewer were ever sent before', { exact: false }).waitFor();
    await lookUp(page, 'ivan');
    await page.locator('[data-state=registered]').waitFor();
    const first = hash256('ivan')[0];
    assert.ok(ranges(sent).every((r) => r.startsWith('2/')), ranges(sent).join());
    await page.getByText('How this was answered').click();
    await page.getByText(`A range of 4 bits could be asked for, among some ${await among(3000, 4)} names`, { exact: false }).waitFor();
    let before = sent.length;
    await page.getByRole('button', { name: 'Use smaller ranges from now on' }).click();
    await page.getByText('By range: 4 bits of the hash were sent', { exact: false }).waitFor();
    assert.equal(ranges(sent.slice(before))[0], `4/${(first >> 4).toString(16)}`);

    // Beside a bundle, too, where the usual button sends what was ever sent.
    await page.evaluate(() => localStorage.setItem('onsight.bits.fakechain', '1'));
    await page.getByRole('button', { name: 'Download the registry', exact: false }).click();
    await page.getByRole('heading', { name: 'Who finds it' }).waitFor();
    await lookUp(page, 'carol');
    await page.getByText(`sends 1 bits of the hash, which some ${await among(3000, 1)} names share`, { exact: false }).waitFor();
    before = sent.length;
    await page.getByRole('button', { name: 'Owner, dates and history' }).click();
    await page.getByRole('heading', { name: 'History' }).waitFor();
    assert.deepEqual(ranges(sent.slice(before)), [`1/${(hash256('carol')[0] >> 7).toString(16)}/history`]);
    assert.equal(await page.evaluate(() => localStorage.getItem('onsight.bits.fakechain')), '1');

    await page.locator('footer, header').getByRole('link', { name: 'Privacy' }).first().click();
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.getByText('No number is given').waitFor();
    assert.equal(await page.evaluate(() => localStorage.getItem('onsight.names.fakechain')), null);
  }));

test('a server that makes names up is believed no more than the visitor', () =>
  watched(async (page, { sent }) => {
    await page.route(/\/v1\/names\/range$/, async (route) => {
      const offer = await (await route.fetch()).json();
      await route.fulfill({ json: { ...offer, bits: 8, hashes: 1_000_000, records: 1_000_000 } });
    });
    await tell(page, 600);
    await page.getByTestId('plan').filter({ hasText: 'A range by 2 bits of the hash, which some 150 names share' }).waitFor();
    await lookUp(page, 'carol');
    await page.locator('[data-state=registered]').waitFor();
    assert.ok(ranges(sent).every((r) => r.startsWith('2/')), ranges(sent).join());
    await page.getByText('How this was answered').click();
    await page.getByText('which 150 registered names share', { exact: false }).waitFor();
  }));

test('a bundle of another network answers nothing, and is not kept', () =>
  watched(async (page) => {
    await page.route(/\/v1\/status$/, async (route) => {
      const status = await (await route.fetch()).json();
      await route.fulfill({ json: { ...status, network: 'mainnet' } });
    });
    await page.goto(demo.url);
    await lookUp(page, 'carol');
    await page.locator('[data-state=failed]').waitFor();
    const bundles = await page.evaluate(
      () => new Promise((resolve) => (indexedDB.open('onsight', 1).onsuccess = (e) => (e.target.result.transaction('bundles').objectStore('bundles').getAllKeys().onsuccess = (k) => resolve(k.target.result)))),
    );
    assert.deepEqual(bundles, []);
  }));

test('a network that is none is kept by nothing', () =>
  watched(async (page) => {
    await page.route(/\/v1\/status$/, async (route) => {
      const status = await (await route.fetch()).json();
      await route.fulfill({ json: { ...status, network: 'carol-was-here' } });
    });
    await page.goto(demo.url);
    await lookUp(page, 'carol');
    await page.locator('[data-state=failed]').waitFor();
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify({ ...localStorage })), /carol/);
  }));

test('who looks up while the registry is fetched waits for the same', () =>
  watched(async (page, { sent }) => {
    let go;
    const gate = new Promise((resolve) => (go = resolve));
    await page.route(/\/v1\/names\/bundle/, async (route) => {
      await gate;
      await route.continue();
    });
    for (const name of ['carol', 'ivan']) {
      await page.locator('#box').fill(name);
      await page.locator('#box').press('Enter');
      await page.getByRole('heading', { name, level: 1 }).waitFor();
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
    go();
    await page.locator('[data-state=registered]').waitFor();
    assert.equal(sent.filter((s) => s.path.startsWith('/v1/names/bundle')).length, 1);
  }));

test('the bundle of an earlier visit answers, and only what changed is fetched', async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const page = await open(context, demo.url);
    await lookUp(page, 'carol');
    await page.locator('[data-state=registered]').waitFor();
    await demo.devnet('register', 'just_now', '@zoe');
    await page.goto(demo.url);
    const sizes = [];
    page.on('response', async (r) => {
      const { pathname, search } = new URL(r.url());
      if (pathname === '/v1/names/bundle') sizes.push([search, Number(r.headers()['content-length'])]);
    });
    await page.locator('#box').fill('just_now');
    await page.getByText('The registry is in this browser', { exact: false }).waitFor();
    await lookUp(page, 'just_now');
    await page.locator('[data-state=registered]').waitFor();
    assert.match(sizes[0][0], /^\?since=[0-9a-f]{64}$/);
    assert.ok(sizes[0][1] < 2000, `${sizes[0][1]} bytes`);
  } finally {
    await context.close();
  }
});

test('the policy blocks what is injected', async () => {
  const context = await browser.newContext();
  try {
    const page = await open(context, demo.url);
    const response = await page.request.get(demo.url);
    assert.match(response.headers()['content-security-policy'], /default-src 'none'; script-src 'self'/);
    const blocked = await page.evaluate(async () => {
      const seen = [];
      document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
      const script = document.createElement('script');
      script.textContent = 'globalThis.injected = true';
      document.head.append(script);
      const holder = document.createElement('div');
      holder.innerHTML = '<img src=x onerror="globalThis.injected = true"><p style="color:red">';
      document.body.append(holder);
      await fetch('http://127.0.0.2:9/').catch(() => {});
      const due = ['connect-src', 'script-src-attr', 'script-src-elem', 'style-src-attr'];
      await new Promise((resolve) => {
        const look = () => (due.every((d) => seen.includes(d)) ? resolve() : document.addEventListener('securitypolicyviolation', look, { once: true }));
        look();
        setTimeout(resolve, 10_000);
      });
      return { seen: due.filter((d) => seen.includes(d)), injected: 'injected' in globalThis };
    });
    assert.equal(blocked.injected, false);
    assert.deepEqual(blocked.seen, ['connect-src', 'script-src-attr', 'script-src-elem', 'style-src-attr']);
  } finally {
    await context.close();
  }
});
