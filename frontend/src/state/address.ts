/** Changes what a page's address asks for, without leaving the page: what has the focus keeps it, and back takes the step back. */
import { here } from '../router.svelte.js';

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
