import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const log = 'a'.repeat(16);
const other = 'b'.repeat(16);
let answers: (query: URLSearchParams) => Response | Promise<Response>;
let asked: string[] = [];
const streams: { onopen: () => void; onerror: () => void; onmessage: (e: unknown) => void }[] = [];

vi.stubGlobal('location', { origin: 'http://x' });
vi.stubGlobal('document', { hidden: false, addEventListener() {}, removeEventListener() {} });
vi.stubGlobal('addEventListener', () => {});
vi.stubGlobal('removeEventListener', () => {});
vi.stubGlobal('Request', class extends Request {
  constructor(url: string, init?: RequestInit) {
    super(new URL(url, 'http://x'), init);
  }
});
vi.stubGlobal('fetch', async (request: Request) => {
  const query = new URL(request.url).searchParams;
  asked.push(query.get('after')!);
  return answers(query);
});
vi.stubGlobal('EventSource', class {
  onopen = (): void => {};
  onerror = (): void => {};
  onmessage = (): void => {};
  constructor() {
    streams.push(this);
  }
  close(): void {}
});
const { Feed } = await import('./feed.svelte.js');

const entry = (of: string, n: number) => ({ cursor: `${of}-${n}`, kind: 'buy', height: n, time: null });
const page = (next: string, events: unknown[] = []): Response => new Response(JSON.stringify({ events, next, head: next }));
let met = 0;
/** Each new connection is accepted and closed at once. */
function hangUp(): void {
  if (streams.length === met) return;
  met = streams.length;
  streams.at(-1)!.onopen();
  streams.at(-1)!.onerror();
}
const gone = (): Response => new Response('{"code":"gone"}', { status: 410 });

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  streams.length = met = 0;
});
afterEach(() => vi.useRealTimers());

test('a server that makes up high numbers is not asked without end', async () => {
  answers = (q) => page(q.get('after') === 'now' ? `${log}-9000000000000000` : `${log}-${Number(q.get('after')!.slice(17)) + 16_000}`);
  const feed = new Feed(['buy']);
  const stop = feed.follow();
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked.length).toBeGreaterThan(3);
  expect(asked.length).toBeLessThan(100);
  expect([feed.more, feed.searching, streams.length]).toEqual([true, false, 1]);
  stop();
});

test('a server that ends a page after each entry is not asked without end', async () => {
  answers = (q) => page(q.get('after') === 'now' ? `${log}-900` : `${log}-${Number(q.get('after')!.slice(17)) + 1}`);
  const feed = new Feed(['buy']);
  const stop = feed.follow();
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked.length).toBeLessThan(100);
  stop();
});

test('a server that begins another log each time is asked at growing intervals', async () => {
  answers = (q) => (q.get('after') === 'now' ? page(`${log}-0`) : gone());
  const feed = new Feed(['buy']);
  const stop = feed.follow();
  await vi.advanceTimersByTimeAsync(100);
  for (let i = 0; i < 600; i++) {
    hangUp();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(asked.length).toBeLessThan(40); // in a minute
  expect(feed.reset).toBe(true);
  stop();
});

test('a server that accepts and closes is asked at growing intervals; one that held, at once', async () => {
  answers = () => page(`${log}-0`);
  const feed = new Feed(['buy']);
  const stop = feed.follow();
  await vi.advanceTimersByTimeAsync(100);
  for (let i = 0; i < 60; i++) {
    hangUp();
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(streams.length).toBeLessThan(12);
  const before = streams.length;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(streams.length).toBe(before + 1);
  streams.at(-1)!.onopen();
  await vi.advanceTimersByTimeAsync(15_000);
  streams.at(-1)!.onerror();
  await vi.advanceTimersByTimeAsync(600);
  expect(streams.length).toBe(before + 2);
  stop();
});

test('what was asked of an old log does not go on with the new one', async () => {
  let release = (_: Response): void => {};
  const slow = new Promise<Response>((resolve) => (release = resolve));
  let now = log;
  let isSlow = false;
  answers = (q) => {
    const after = q.get('after')!;
    if (after === 'now') return page(`${now}-3000`);
    if (!after.startsWith(now)) return gone();
    if (isSlow) return slow;
    const n = Number(after.slice(17));
    return page(`${now}-${n + 1000}`, Array.from({ length: 60 }, (_, i) => entry(now, n + 1 + i)));
  };
  const feed = new Feed(['buy']);
  const stop = feed.follow();
  await vi.advanceTimersByTimeAsync(100);
  expect(feed.list.length).toBe(60);
  isSlow = true;
  const older = feed.older();
  await vi.advanceTimersByTimeAsync(10);
  [now, isSlow] = [other, false];
  streams.at(-1)!.onerror();
  await vi.advanceTimersByTimeAsync(2000);
  expect(feed.list.length).toBe(60); // the new log's own, though the old search is not over
  release(page(`${log}-2000`, [entry(log, 1500)]));
  await older;
  await vi.advanceTimersByTimeAsync(10);
  expect(new Set(feed.list.map((e) => e.cursor.slice(0, 16)))).toEqual(new Set([other]));
  expect([feed.searching, feed.state]).toEqual([false, 'loading']);
  stop();
});
