// What leaves the browser and what stays in it while names are looked up: no name, no hash, no id.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lookUp, open, startBrowser, startDemo } from './harness.js';

let demo;
let browser;
before(async () => {
  demo = await startDemo('--block-time', '1h', '--dice', '0', '--names', '3000');
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await demo?.close();
});

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

test('names, hashes and ids leave no trace, and one look-up asks for one prefix', async () => {
  const context = await browser.newContext({ locale: 'en-GB' });
  try {
    const sent = [];
    context.on('request', (r) => sent.push({ path: new URL(r.url()).pathname + new URL(r.url()).search, all: [r.url(), JSON.stringify(r.headers()), r.postData() ?? ''].join(' ').toLowerCase() }));
    const page = await open(context, demo.url);
    const names = { carol: 'registered', ivan: 'registered', 'marked-canary_7': 'available' };
    const found = {};
    for (const [name, want] of Object.entries(names)) {
      await lookUp(page, name);
      await page.locator(`[data-state=${want}]`).waitFor();
      if (want === 'registered') found[name] = await page.getByTestId('value').textContent();
    }
    // The registry is too large to be asked for as a range, and nobody else has counted it: so all of it came.
    assert.deepEqual(sent.filter((s) => /\/v1\/names\/range\/\d/.test(s.path)), []);
    assert.ok(sent.some((s) => s.path.startsWith('/v1/names/bundle')));

    // What the bundle does not have is asked for by range, since the bundle tells how many names there are.
    for (const name of ['carol', 'ivan']) {
      await lookUp(page, name);
      await page.locator('[data-state=registered]').waitFor();
      const before = sent.length;
      await page.getByRole('button', { name: 'Owner, dates and history' }).click();
      await page.getByRole('heading', { name: 'History' }).waitFor();
      const ranges = sent.slice(before).flatMap((s) => /\/v1\/names\/range\/(\d)\/([0-9a-f]+)/.exec(s.path)?.slice(1, 3).join('/') ?? []);
      assert.equal(new Set(ranges).size, 1, `${name}: ${ranges}`);
      const [bits, index] = ranges[0].split('/');
      assert.ok(Number(bits) >= 1 && Number(bits) <= 4, `${bits} bits for 3,000 names`);
      assert.equal(parseInt(index, 16), hash256(name)[0] >> (8 - Number(bits)));
      assert.match(await page.evaluate(() => localStorage.getItem('onsight.bits.fakechain')), /^[1-4]$/);
    }

    const state = await kept(page, context);
    for (const name of Object.keys(names)) {
      for (const trace of traces(name, found[name] ?? name)) {
        for (const s of sent) assert.ok(!s.all.includes(trace), `${trace} of ${name} was sent: ${s.path}`);
        // The stored bundle holds every name's hash, as bytes; as text, and apart from it, there is none.
        assert.ok(!state.includes(trace), `${trace} of ${name} is kept`);
      }
    }
    assert.deepEqual(await context.cookies(), []);
  } finally {
    await context.close();
  }
});

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
