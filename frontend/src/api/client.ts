/** The API that the pages are served beside. Nobody else is ever asked. */
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

export type Schemas = components['schemas'];

const patience = 20_000; // milliseconds until an answer must be there

/** Says that a request was answered with an error, or not at all (status 0). */
export class AnswerError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly retryAfter: number | null = null, // seconds
  ) {
    super(code);
  }
}

async function ask(request: Request): Promise<Response> {
  try {
    // What the browser keeps is checked each time: seconds old, it may not know a name that the page's newest block has.
    return await fetch(request, { cache: 'no-cache', credentials: 'omit', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(patience) });
  } catch {
    throw new AnswerError(0, 'no_answer');
  }
}

export const api = createClient<paths>({ baseUrl: '/', fetch: ask });

/** Returns what an answer holds, or throws an AnswerError. */
export function must<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data !== undefined && answer.response.ok) return answer.data;
  const problem = answer.error as Partial<Schemas['Problem']> | undefined;
  const wait = Number(answer.response.headers.get('Retry-After'));
  throw new AnswerError(answer.response.status, problem?.code ?? 'no_answer', wait > 0 ? wait : null);
}
