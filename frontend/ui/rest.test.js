// The pages about the network and the server, over a living network.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { open, startBoth } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const account = `05${'5a'.repeat(31)}77`;

const { demo, browser } = await startBoth();

const ask = async (path) => (await fetch(demo.url + path)).json();

/** Opens a page in a fresh browser profile, and gathers what it asks for. Errors, and requests of anybody else, fail the test. */
function onPage(name, path, options, what) {
  if (typeof options === 'function') [options, what] = [{}, options];
  test(name, { timeout: 90_000 }, async () => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 900 }, ...options });
    const asked = [];
    const errors = [];
    context.on('request', (r) => asked.push(`${r.url()} ${r.postData() ?? ''}`));
    context.on('weberror', (e) => errors.push(String(e.error())));
    try {
      await what(await open(context, demo.url + path), asked);
      assert.deepEqual(asked.filter((url) => !url.startsWith(demo.url) && !url.startsWith('blob:')), [], 'asked others');
      assert.deepEqual(errors, [], 'errors');
    } finally {
      await context.close();
    }
  });
}

/** What is kept by the browser, as text. */
const kept = (page) => page.evaluate(() => JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, history.state, location.href, document.title]));

describe('status', () => {
  onPage('shows where the index stands, and follows it', '/status', async (page) => {
    const status = await ask('/v1/status');
    await page.getByText('Up to date: it can tell what is not registered.').waitFor();
    await page.getByText(status.digest).waitFor();
    await page.getByText(status.upstreams[0].url).waitFor();
    await page.getByText('checks each node every 60 seconds').waitFor();
    await page.getByText('Answered at a time, all clients').waitFor();
    await demo.devnet('register', 'seen_on_status', '@zoe');
    await page.locator('dd', { hasText: (status.height + 1).toLocaleString('en-GB') }).first().waitFor();
  });

  onPage('shows how far it is while it catches up, and when the server is gone', '/', async (page) => {
    let height = 1000;
    await page.route('**/v1/status', async (route) => {
      const response = await route.fetch();
      const status = await response.json();
      height += 500;
      await route.fulfill({ response, json: { ...status, ready: false, reason: 'it is behind', start_height: 0, height, lag: 10_000 - height, target_height: 10_000 } });
    });
    await page.goto(`${demo.url}/status`);
    await page.locator('main progress').waitFor();
    await page.getByText(/About [\d.]+ blocks a second; done in/).waitFor();
    await page.unroute('**/v1/status');
    await page.route('**/v1/status', (route) => route.abort());
    await page.getByText('The server does not answer. What is shown').waitFor();
  });
});

describe('choose', () => {
  const nodes = (page) => page.locator('[data-node]').evaluateAll((all) => all.map((one) => one.dataset.node));

  onPage('draws what the program draws, keeps what is wanted in the address, and tells nobody which', '/choose?n=4', async (page, asked) => {
    await page.locator('[data-node]').nth(3).waitFor();
    const slider = page.getByRole('slider', { name: 'Speed or privacy' });
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText('Any good one alike.').waitFor();
    const at = new URL(page.url());
    assert.equal(at.searchParams.get('strategy'), 'random');
    assert.equal(at.searchParams.get('n'), '4');
    assert.equal(at.searchParams.get('seed'), null);
    const seed = new URLSearchParams(at.hash.slice(1)).get('seed');
    const drawn = await nodes(page);
    assert.equal(drawn.length, 4);
    const picked = JSON.parse(await demo.onsight('pick', '-n', '4', '--strategy', 'random', '--seed', seed, '-o', 'json'));
    const list = Array.isArray(picked) ? picked : picked.nodes;
    assert.deepEqual(list.map((n) => n.key ?? n.pubkey), drawn);

    await page.reload();
    await page.locator('[data-node]').nth(3).waitFor();
    assert.deepEqual(await nodes(page), drawn);
    await page.keyboard.press('d');
    await page.waitForFunction((was) => !location.hash.includes(was), seed);
    for (const url of asked) assert.ok(!url.includes(seed) && !drawn.some((key) => url.includes(key)), url);
  });

  onPage('leaves out what is asked, says what is not understood, and why nodes are not good', '/choose?n=50&strategy=random', async (page, asked) => {
    await page.locator('[data-node]').first().waitFor();
    const [{ operator }] = Object.values((await ask('/v1/nodes?form=map')).nodes).filter((n) => n.state === 'active');
    await page.getByText('Leave out', { exact: true }).click();
    await page.getByLabel('Operators').fill(operator);
    await page.getByLabel('Address ranges').fill('127.0.0.0/33');
    await page.getByText('This is not understood and was left out: 127.0.0.0/33').waitFor();
    await page.getByText(/\d+ of \d+ nodes are good enough/).waitFor();
    await page.getByLabel('Address ranges').fill('127.0.0.0/8');
    await page.getByText('No node is good enough.').waitFor();
    for (const url of asked) assert.ok(!url.includes(operator), url);
  });
});

describe('what a link plants', () => {
  onPage('no word of it is part of a command', "/choose#avoid_operators=x';touch%20/tmp/x;',Lgood,$(id)&avoid_as=1;id&avoid_countries=DE,$x", async (page) => {
    await page.locator('[data-node]').first().waitFor();
    await page.getByText('This is not understood and was left out:', { exact: false }).waitFor();
    const command = await page.locator('.command code').textContent();
    assert.match(command, /--avoid-operator Lgood --avoid-country DE --server http/);
    assert.doesNotMatch(command, /[;$'`&|]/);
  });
});

describe('swarms', () => {
  onPage('finds the swarm of an account that it tells nobody', '/swarms', async (page, asked) => {
    await page.getByRole('img', { name: /Ring of \d+ swarms/ }).waitFor();
    await page.getByLabel('Session id').fill(account);
    const want = /"([0-9a-f]{16})"/.exec(await demo.onsight('swarm', account, '-o', 'json'))[1];
    await page.getByText(`Your messages are kept by swarm ${want}.`).waitFor();
    await page.getByRole('heading', { name: `Swarm ${want}` }).waitFor();
    assert.doesNotMatch(await kept(page), new RegExp(`${account}|${want}`));
    for (const url of asked) assert.ok(!url.includes(account) && !url.includes(want), url);
    await page.getByLabel('Session id').fill(`03${account.slice(2)}`); // a group's
    await page.getByText('Your messages are kept by swarm', { exact: false }).waitFor();
    await page.getByLabel('Session id').fill('05xyz');
    await page.getByText('A Session id has 66').waitFor();
    await page.getByRole('button', { name: 'Forget it' }).click();
    assert.equal(await page.getByLabel('Session id').inputValue(), '');
  });

  onPage('shows the members of one that is chosen, and keeps it in the address', '/swarms', async (page) => {
    const { swarms } = await ask('/v1/swarms');
    const one = swarms[3];
    await page.getByRole('button', { name: new RegExp(one.id) }).press('Enter');
    await page.getByRole('heading', { name: `Swarm ${one.id}` }).waitFor();
    assert.equal(await page.locator('tbody tr').count(), one.size);
    await page.reload();
    await page.getByRole('heading', { name: `Swarm ${one.id}` }).waitFor();
  });
});

describe('network', () => {
  onPage('counts as the API does, and goes back in time', '/network', async (page) => {
    await page.getByRole('heading', { name: 'Concentration' }).waitFor();
    const nodes = Object.values((await ask('/v1/nodes?form=map')).nodes);
    const active = nodes.filter((n) => n.state === 'active').length;
    await page.locator('.legend li', { hasText: `active ${active}` }).first().waitFor();
    await page.getByRole('img', { name: /measured nodes; half of them within/ }).waitFor();
    const working = nodes.filter((n) => n.state === 'active' || n.state === 'unlocking');
    const version = working.filter((n) => n.storage_version === working[0].storage_version).length;
    await page.locator('li', { hasText: working[0].storage_version }).getByText(String(version), { exact: true }).waitFor();
    await page.getByText('As a table').press('Enter');
    await page.getByRole('row', { name: /^When active/ }).waitFor();
    assert.ok((await page.locator('tbody tr').count()) > 3);
  });

  onPage('says that the list could not be had, and asks again', '/', async (page) => {
    await page.route('**/v1/nodes?**', (route) => route.abort());
    await page.goto(`${demo.url}/network`);
    await page.getByText('The list of nodes could not be asked for.').waitFor();
    await page.unroute('**/v1/nodes?**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('heading', { name: 'Concentration' }).waitFor();
  });
});

describe('paths', () => {
  onPage('draws and audits without telling anybody, and counts as the server does', '/paths', async (page, asked) => {
    const { shared } = await ask('/v1/paths/statistics');
    for (const [what, words] of [['/16', '/16 network'], ['version', 'storage version']]) {
      const { rate } = shared.find((s) => s.what === what);
      await page.locator('.bars li', { hasText: words }).getByText(`${Number((rate * 100).toFixed(1))}%`, { exact: true }).waitFor();
    }
    await page.getByRole('button', { name: /Draw one/ }).click();
    await page.locator('.hops li').nth(2).waitFor();
    const drawn = (await page.locator('textarea').inputValue()).split('\n');
    assert.equal(drawn.length, 3);
    const nodes = Object.entries((await ask('/v1/nodes?form=map')).nodes).filter(([, n]) => n.ip);
    const net = (n) => n.ip.split('.').slice(0, 2).join('.');
    const [a, b] = nodes.flatMap((x, i) => nodes.slice(i + 1).filter((y) => net(x[1]) === net(y[1])).map((y) => [x, y]))[0];
    await page.locator('textarea').fill(`${a[0]} → ${b[1].ip} nobody`);
    await page.getByText(`Hops 1 and 2 share the /16 network ${net(a[1])}.0.0/16.`).waitFor();
    await page.getByText('Not in the list: nobody').waitFor();
    const tells = [...drawn, a[0], b[0], b[1].ip];
    for (const url of asked) assert.ok(!tells.some((key) => url.replace(demo.url, '').includes(key)), url);
    assert.ok(!tells.some((key) => key.length > 20 && page.url().includes(key)));
  });
});

describe('privacy', () => {
  onPage('says what is so here, and forgets what the browser keeps', '/privacy', async (page) => {
    await page.getByText('It logs no requests.').waitFor();
    await page.getByText('It connects to each service node every 60 seconds').waitFor();
    await page.getByTestId('plan').getByText(/Everything \(about/).waitFor();
    await page.keyboard.press('t');
    await page.reload();
    await page.getByRole('row', { name: /colours light/ }).waitFor();
    await page.getByRole('button', { name: 'Forget all of it' }).click();
    await page.getByText('Forgotten.').waitFor();
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    // The tab's memory, too.
    await page.getByRole('link', { name: 'Names', exact: true }).first().click();
    await page.getByText('Show names of mine as text').click();
    await page.getByLabel('Names, one a line').fill('alice');
    await page.getByRole('button', { name: 'Show them' }).click();
    await page.getByText('Names typed: 1.', { exact: false }).waitFor();
    await page.getByRole('link', { name: 'Privacy', exact: true }).first().click();
    await page.getByRole('button', { name: 'Forget all of it' }).click();
    await page.getByText('Forgotten.').waitFor();
    await page.goBack();
    await page.getByText('Show names of mine as text').click();
    assert.equal(await page.getByText('Names typed:', { exact: false }).count(), 0);
  });
});

describe('API', () => {
  onPage('lists every operation, and runs those that are harmless', '/api', async (page) => {
    const { paths } = await ask('/openapi.json');
    const all = Object.values(paths).reduce((n, methods) => n + Object.keys(methods).length, 0);
    await page.locator('details.panel').nth(all - 1).waitFor();
    assert.equal(await page.locator('details.panel').count(), all);
    await page.getByLabel('Search operations').fill('names together whole');
    await page.getByText('No operation has these words.').waitFor();
    await page.waitForURL(/\/api#q=names/); // which is sent to nobody
    await page.getByLabel('Search operations').fill('index daemons');
    await page.locator('#op-status > summary').press('Enter');
    await page.getByRole('button', { name: 'Run it here' }).click();
    await page.locator('[data-result=status] pre', { hasText: '"network": "fakechain"' }).waitFor();
    await page.getByText(/^200 application\/json/).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Run it here' }).waitFor();
    assert.equal(await page.locator('details.panel').count(), 1);
    await page.getByLabel('Search operations').fill('log-level');
    await page.locator('#op-logLevel > summary').press('Enter');
    await page.getByText('Only the operator may ask this').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Run it here' }).count(), 0);
  });
});

describe('data', () => {
  onPage('gives the bundle, and checks it here', '/data', async (page) => {
    await page.getByRole('button', { name: 'Fetch and check it here' }).click();
    await page.getByText('Whole: it fits its digest.').waitFor();
    const bundle = Buffer.from(await (await fetch(`${demo.url}/v1/names/bundle`)).arrayBuffer());
    assert.equal(await page.getByTestId('digest').textContent(), bundle.subarray(-32).toString('hex'));
    const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /The same as a table/ }).click()]);
    const rows = readFileSync(await saved.path(), 'utf8').trim().split('\r\n');
    assert.equal(rows.length, 1 + Object.keys((await ask('/v1/nodes?form=map')).nodes).length);
    await page.route('**/v1/names/bundle', async (route) => {
      bundle[60] ^= 1;
      await route.fulfill({ body: bundle, contentType: 'application/octet-stream' });
    });
    await page.getByRole('button', { name: 'Fetch and check it here' }).click();
    await page.getByText('It is damaged, or no bundle.').waitFor();
  });
});

describe('all of them', () => {
  const pages = ['status', 'choose', 'swarms', 'network', 'privacy', 'paths', 'api?op=pick', 'data'];
  for (const [look, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    phone: { colorScheme: 'light', viewport: { width: 320, height: 640 }, hasTouch: true },
    German: { locale: 'de-DE', viewport: { width: 320, height: 640 } },
  })) {
    onPage(`axe finds nothing, and nothing stands out of the page: ${look}`, '/', { ...options, reducedMotion: 'reduce' }, async (page) => {
      for (const path of pages) {
        await page.goto(`${demo.url}/${path}`);
        await page.locator('h1').waitFor();
        await page.waitForLoadState('networkidle');
        if (path === 'paths') await page.locator('main button[data-key=d]').click();
        if (path === 'swarms') await page.locator('.swarms button').first().click();
        await page.evaluate(axe); // evaluated by the debugger, which the policy does not bind
        const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
        assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`), [], path);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} is wider than the window`);
      }
    });
  }

  onPage('pages are reached by links, and name themselves', '/', async (page) => {
    for (const [name, heading] of [['Choose', 'Choose nodes'], ['Paths', 'Paths'], ['Swarms', 'Swarms'], ['Network', 'Network'], ['Status', 'Status'], ['Privacy', 'Privacy'], ['Data', 'Data'], ['API', 'API']]) {
      await page.getByRole('link', { name, exact: true }).first().click();
      await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
      assert.equal(await page.title(), `${name} · onsight`);
    }
    await page.goBack();
    await page.getByRole('heading', { name: 'Data', level: 1 }).waitFor();
  });
});
