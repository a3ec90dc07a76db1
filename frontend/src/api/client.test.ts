import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const asked: [string, RequestInit | undefined][] = [];
let answer: (signal: AbortSignal) => Promise<Response> | Response = () => new Response('{}');

vi.stubGlobal('location', { origin: 'http://x' });
vi.stubGlobal('Request', class extends Request {
  constructor(url: string, init?: RequestInit) {
    super(new URL(url, 'http://x'), init);
  }
});
vi.stubGlobal('fetch', (request: Request | string, init: RequestInit) => {
  asked.push([typeof request === 'string' ? request : new URL(request.url).pathname, init]);
  return Promise.resolve(answer(init.signal!));
});
const { AnswerError, api, boundsOf, bytesOf, cacheOf, must, readBody } = await import('./client.js');

beforeEach(() => void (asked.length = 0));
afterEach(() => vi.useRealTimers());

const failure = async (of: Promise<unknown>): Promise<[number, string]> => {
  const err: unknown = await of.then(() => null, (e: unknown) => e);
  expect(err).toBeInstanceOf(AnswerError);
  const { status, code } = err as InstanceType<typeof AnswerError>;
  return [status, code];
};
const status = (): Promise<unknown> => api.GET('/v1/status').then(must);

test('whatever is wrong with a body is an AnswerError', async () => {
  answer = () => new Response('<!doctype html><title>502</title>', { headers: { 'Content-Type': 'text/html' } });
  expect(await failure(status())).toEqual([0, 'unreadable']);
  answer = () => new Response('{"net', { headers: { 'Content-Length': '500' } });
  expect(await failure(status())).toEqual([0, 'unreadable']);
  answer = () => new Response(new ReadableStream({ pull: (c) => c.error(new TypeError('cut off')) }));
  expect(await failure(status())).toEqual([0, 'no_answer']);
  answer = () => new Response('null', { status: 500 });
  expect(await failure(status())).toEqual([500, 'no_answer']);
  answer = () => Promise.reject(new TypeError('nobody there'));
  expect(await failure(status())).toEqual([0, 'no_answer']);
});

test('a body that does not end is given up', async () => {
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    expect(ms).toBe(20_000);
    return AbortSignal.abort(new DOMException('too long', 'TimeoutError'));
  });
  answer = (signal) => new Response(new ReadableStream({ pull: (c) => c.error(signal.reason) }));
  expect(await failure(status())).toEqual([0, 'no_answer']);
  vi.restoreAllMocks();
});

test('a body that grows beyond its bound is given up at once, and how much came is said', async () => {
  let pulled = 0;
  const endless = (): Response => new Response(new ReadableStream({ pull: (c) => { pulled++; c.enqueue(new Uint8Array(1 << 20)); } }, { highWaterMark: 0 }));
  answer = endless;
  expect(await failure(status())).toEqual([0, 'too_large']);
  expect(pulled).toBe(9);
  const came: number[] = [];
  answer = () => new Response(new Uint8Array([1, 2, 3]));
  expect(await bytesOf('/v1/names/bundle', (n) => came.push(n))).toEqual(new Uint8Array([1, 2, 3]));
  expect(came).toEqual([3]);
  expect(await readBody(new Response(null, { status: 204 }), 1)).toEqual(new Uint8Array());
});

test('what is large may take longer', () => {
  expect(boundsOf('/v1/status')).toEqual({ time: 20_000, size: 8 << 20 });
  expect(boundsOf('/v1/nodes')).toEqual({ time: 60_000, size: 64 << 20 });
  for (const path of ['/v1/names/bundle', '/v1/names/range/4/b', '/v1/names/range/4/b/history']) expect(boundsOf(path)).toEqual({ time: 300_000, size: 512 << 20 });
});

test('what was asked of one node, owner or range is kept in no cache', async () => {
  const key = 'a'.repeat(64);
  for (const path of [`/v1/nodes/${key}`, `/v1/nodes/${key}/events`, `/v1/nodes/${key}/history`, '/v1/owners/L1/names', '/v1/names/range/4/b', '/v1/names/range/4/b/history', `/v1/names/session/${key}`]) {
    expect(cacheOf(path), path).toBe('no-store');
  }
  for (const path of ['/v1/status', '/v1/nodes', '/v1/nodes/aggregate', '/v1/names/bundle', '/v1/names/range', '/v1/names/expiring', '/v1/names']) expect(cacheOf(path), path).toBe('no-cache');
  answer = () => new Response('{}');
  await api.GET('/v1/nodes/{key}', { params: { path: { key } } });
  expect(asked.map(([path, init]) => [path, init?.cache])).toEqual([[`/v1/nodes/${key}`, 'no-store']]);
});

test('nobody makes us wait for longer than a minute', async () => {
  for (const [given, want] of [['5', 5], ['99999999', 60], ['0', null], ['-3', null], ['Wed, 21 Oct 2026 07:28:00 GMT', null], ['Infinity', 60]] as const) {
    answer = () => new Response('{"code":"limited"}', { status: 429, headers: { 'Retry-After': given } });
    const err: unknown = await status().then(null, (e: unknown) => e);
    expect((err as InstanceType<typeof AnswerError>).retryAfter, given).toBe(want);
  }
});
