/** The API that the pages are served beside. Nobody else is ever asked. */
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

export type Schemas = components['schemas'];

/** How long an answer may take until all of it is there, in milliseconds, and how large it may be, in bytes. */
export interface Bounds {
  readonly time: number;
  readonly size: number;
}

const mega = 1 << 20;
const ordinary: Bounds = { time: 20_000, size: 8 * mega };
const list: Bounds = { time: 60_000, size: 64 * mega };
const whole: Bounds = { time: 300_000, size: 512 * mega }; // on a slow line a bundle takes minutes
export const longestWait = 60; // seconds that a server may make us wait

/** The bounds of a path, without its query. */
export function boundsOf(path: string): Bounds {
  if (path === '/v1/names/bundle' || path.startsWith('/v1/names/range/')) return whole;
  return path === '/v1/nodes' ? list : ordinary;
}

/**
 * How the browser may keep what a path brings. What was asked of one node, owner or range stays in no cache, whose files would tell of
 * it. The rest is checked each time: seconds old, it may not know a name that the page's newest block has.
 */
export function cacheOf(path: string): RequestCache {
  return /^\/v1\/(nodes\/[0-9a-f]{64}|owners\/|swarms\/|names\/(range\/|session\/|wallet\/|lokinet\/|resolve))/i.test(path) ? 'no-store' : 'no-cache';
}

/** Says that a request was answered with an error, or not at all, or with what cannot be read (status 0). */
export class AnswerError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly retryAfter: number | null = null, // seconds
  ) {
    super(code);
  }
}

/** Reads a body to its end, and says as it comes how much is there. It is given up when it grows beyond its bound. */
export async function readBody(response: Response, most: number, came?: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel().catch(() => {});
      throw new AnswerError(0, 'too_large');
    }
    parts.push(value);
    came?.(size);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Asks, and returns the answer with all of its body, which is read here and nowhere else. Throws AnswerError and nothing else. */
async function ask(request: Request | string, came?: (bytes: number) => void): Promise<Response> {
  const path = new URL(typeof request === 'string' ? request : request.url, location.origin).pathname;
  const bounds = boundsOf(path);
  try {
    const response = await fetch(request, { cache: cacheOf(path), credentials: 'omit', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(bounds.time) });
    const body = await readBody(response, bounds.size, came);
    const { status, statusText, headers } = response;
    return new Response(status === 204 || status === 304 ? null : body, { status, statusText, headers });
  } catch (err) {
    throw err instanceof AnswerError ? err : new AnswerError(0, 'no_answer');
  }
}

const client = createClient<paths>({ baseUrl: '/', fetch: (request) => ask(request) });

const get = client.GET as unknown as (...given: unknown[]) => Promise<unknown>;

/** The operations. What is no JSON where it should be is an AnswerError as well: pages know no other kind of failure. */
export const api = {
  GET: (async (...given: unknown[]) => {
    try {
      return await get(...given);
    } catch (err) {
      throw err instanceof AnswerError ? err : new AnswerError(0, 'unreadable');
    }
  }) as unknown as typeof client.GET,
};

/** Fetches a path outside of the operations, or one that takes long: came is told how many bytes are there. */
export function fetchFrom(path: string, came?: (bytes: number) => void): Promise<Response> {
  return ask(path, came);
}

/** Fetches a file; throws an AnswerError where there is none. */
export async function bytesOf(path: string, came?: (bytes: number) => void): Promise<Uint8Array> {
  const response = await ask(path, came);
  if (!response.ok) must({ error: await response.json().catch(() => null), response });
  return new Uint8Array(await response.arrayBuffer());
}

/** Returns what an answer holds, or throws an AnswerError. */
export function must<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data !== undefined && answer.response.ok) return answer.data;
  const problem = answer.error as Partial<Schemas['Problem']> | null | undefined;
  const wait = Number(answer.response.headers.get('Retry-After'));
  throw new AnswerError(answer.response.status, typeof problem?.code === 'string' ? problem.code : 'no_answer', wait > 0 ? Math.min(wait, longestWait) : null);
}
