/** Filters and sorting: they are the page's address, so that they survive loading afresh, and back. Nothing that names somebody is one. */
import { here } from '../router.svelte.js';

/** What the address says. */
export function read(): URLSearchParams {
  return new URLSearchParams(here.query);
}

/** Goes to the same page with other filters; null takes one away. It is the same entry otherwise: nothing is scrolled or focused. */
export function refine(changes: Readonly<Record<string, string | null>>): void {
  const query = read();
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString().replaceAll('%2C', ',');
  const next = text ? `?${text}` : '';
  if (next === here.query) return;
  history.pushState(history.state, '', here.path + next);
  here.query = next;
}

/** The words of a list of filters that stand in the address, of those that there are. */
export function words<T extends string>(key: string, all: readonly T[]): T[] {
  const said = (read().get(key) ?? '').split(',');
  return all.filter((word) => said.includes(word));
}

/** Puts a word into such a list, or takes it out. */
export function toggle<T extends string>(key: string, word: T, all: readonly T[]): void {
  const now = words(key, all);
  const next = now.includes(word) ? now.filter((w) => w !== word) : all.filter((w) => w === word || now.includes(w));
  refine({ [key]: next.length === 0 || next.length === all.length ? null : next.join(',') });
}
