import { expect, test, vi } from 'vitest';

let answers: (path: string) => Response | Promise<Response>;
vi.stubGlobal('location', { origin: 'http://x' });
vi.stubGlobal('document', { hidden: false, addEventListener() {}, removeEventListener() {} });
vi.stubGlobal('Request', class extends Request {
  constructor(url: string, init?: RequestInit) {
    super(new URL(url, 'http://x'), init);
  }
});
vi.stubGlobal('fetch', async (request: Request) => answers(new URL(request.url).pathname));
const { nodes } = await import('./nodes.svelte.js');
const { chain } = await import('./chain.svelte.js');

const said = (body: unknown, more: ResponseInit = {}): Response => new Response(JSON.stringify(body), more);

test('a list of nodes that is none is a failure, and the next one is taken', async () => {
  for (const body of ['<!doctype html>', '{"nodes":', '{}', '[]', 'null', '{"nodes":7,"network":"x"}', '{"nodes":[],"network":"x"}', '{"nodes":{}}']) {
    answers = () => new Response(body);
    await nodes.refresh();
    expect([body, nodes.standing, nodes.stale]).toEqual([body, 'failed', true]);
  }
  answers = () => said({ nodes: { ['a'.repeat(64)]: { state: 'active' } }, as_of: null, network: 'devnet', truncated: 0 }, { headers: { ETag: '"1"' } });
  await nodes.refresh();
  expect([nodes.standing, nodes.stale, nodes.list.length]).toEqual(['there', false, 1]);
});

test('a press asks at once, though the server said to wait', async () => {
  let times = 0;
  answers = () => {
    times++;
    return said({ code: 'limited' }, { status: 429, headers: { 'Retry-After': '99999999' } });
  };
  await nodes.refresh();
  await nodes.refresh();
  expect(times).toBe(1);
  await nodes.retry();
  expect(times).toBe(2);
});

test('a server whose reorganisations cannot be asked for answers all the same', async () => {
  answers = (path) => (path === '/v1/status' ? said({ hash: 'a', ready: true, height: 5 }) : said({ code: 'limited' }, { status: 429 }));
  await chain.refresh();
  expect([chain.standing, chain.status?.height]).toEqual(['ready', 5]);
});

test('an answer that was overtaken changes nothing', async () => {
  let release = (_: Response): void => {};
  answers = (path) => (path === '/v1/status' ? new Promise<Response>((resolve) => (release = resolve)) : said({ reorgs: [] }));
  const slow = chain.refresh();
  const old = release;
  answers = (path) => (path === '/v1/status' ? said({ hash: 'c', ready: true, height: 7 }) : said({ reorgs: [] }));
  await chain.refresh();
  old(said({ hash: 'b', ready: true, height: 6 }));
  await slow;
  expect(chain.status?.height).toBe(7);
});
