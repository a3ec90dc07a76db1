/**
 * What a page is set to, kept in its address: it survives loading afresh, and back. Nothing that names somebody is part of it, but for what
 * stands behind the #, which is never sent to anybody, not even when the page is loaded afresh.
 */
import { here } from '../router.svelte.js';

type Values = Readonly<Record<string, string | null>>; // null and empty ones are left out

export const query = (): URLSearchParams => new URLSearchParams(here.query);
export const fragment = (): URLSearchParams => new URLSearchParams(location.hash.slice(1));

/** A query as it is written: commas, colons and slashes stay legible, which they may. */
const written = (q: URLSearchParams): string => q.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%2F', '/');
const filled = (o: Values): URLSearchParams => new URLSearchParams(Object.entries(o).filter((e): e is [string, string] => !!e[1]));

function write(query: string, hash: string, step: boolean): void {
  const next = here.path + (query && `?${query}`) + hash;
  if (next === here.path + here.query + location.hash) return;
  try {
    if (step) history.pushState(history.state, '', next);
    else history.replaceState(history.state, '', next);
  } catch {
    // Safari takes a hundred changes in half a minute. The page does what was asked all the same; its address says so a little later.
  }
  here.query = query && `?${query}`;
  here.hash = hash;
}

/** Changes the address without a step in the history: its query and what stands behind the #. */
export function settle(q: Values, behind: Values = {}): void {
  const hidden = written(filled(behind));
  write(written(filled(q)), hidden && `#${hidden}`, false);
}

/**
 * Writes a query into the address, and what is given for behind the #; step: so that back undoes it. It is the same page otherwise:
 * nothing is scrolled or focused.
 */
export function ask(q: URLSearchParams, step: boolean, behind?: Values): void {
  const hidden = behind && written(filled(behind));
  write(written(q), hidden === undefined ? location.hash : hidden && `#${hidden}`, step);
}

/** Goes to the same page with other filters; null takes one away. */
export function refine(changes: Values): void {
  const q = query();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) q.delete(key);
    else q.set(key, value);
  }
  ask(q, true);
}

/** The words of a list of filters that stand in the address, of those that there are. */
export function words<T extends string>(key: string, all: readonly T[]): T[] {
  const said = (query().get(key) ?? '').split(',');
  return all.filter((word) => said.includes(word));
}

/** Puts a word into such a list, or takes it out. */
export function toggle<T extends string>(key: string, word: T, all: readonly T[]): void {
  const now = words(key, all);
  const next = now.includes(word) ? now.filter((w) => w !== word) : all.filter((w) => w === word || now.includes(w));
  refine({ [key]: next.length === 0 || next.length === all.length ? null : next.join(',') });
}
