/**
 * What a page is set to, kept in its address: it survives loading afresh, and back. What stands behind the # is never sent to anybody, not
 * even when the page is loaded afresh.
 */
import { here } from '../router.svelte.js';

const keep = (q: URLSearchParams): string => Array.from(q, ([k, v]) => `${k}=${encodeURIComponent(v).replaceAll('%2C', ',').replaceAll('%2F', '/')}`).join('&');

export const query = (): URLSearchParams => new URLSearchParams(here.query);
export const fragment = (): URLSearchParams => new URLSearchParams(location.hash.slice(1));

/** Changes the address without a step in the history. Values that are null or empty are left out. */
export function settle(q: Readonly<Record<string, string | null>>, behind: Readonly<Record<string, string | null>> = {}): void {
  const filled = (o: Readonly<Record<string, string | null>>): string => keep(new URLSearchParams(Object.entries(o).filter((e): e is [string, string] => !!e[1])));
  const [asked, hidden] = [filled(q), filled(behind)];
  here.query = asked && `?${asked}`;
  history.replaceState(history.state, '', here.path + here.query + (hidden && `#${hidden}`));
}

/** Writes a query into the address; step: so that back undoes it. */
export function ask(query: URLSearchParams, step: boolean): void {
  // Commas, colons and slashes stay legible: they are allowed there.
  const text = query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%2F', '/');
  const to = location.pathname + (text && `?${text}`) + location.hash;
  if (to === location.pathname + location.search + location.hash) return;
  if (step) history.pushState(history.state, '', to);
  else history.replaceState(history.state, '', to);
  here.query = location.search;
}
