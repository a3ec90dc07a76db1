/**
 * Pages by the History API. What a visitor typed is part of no address: it is kept in this tab's memory beside the history entry, so that
 * back and forward work, and is gone when the page is loaded afresh.
 */
import patterns from './routes.json';

class Here {
  path = $state(location.pathname);
  query = $state(location.search);
  hash = $state(location.hash); // which no browser sends
  entry = $state(entryOf(history.state));
}

export const here = new Here();

const typed = new Map<string, unknown>();

function entryOf(state: unknown): string {
  return typeof state === 'object' && state !== null && 'entry' in state ? String(state.entry) : '';
}

function arrive(): void {
  here.path = location.pathname;
  here.query = location.search;
  here.hash = location.hash;
  here.entry = entryOf(history.state);
}

/** Goes to a page; what is given with it stays in memory. Instead: of the one that is shown, to which back does not lead then. */
export function go(to: string, given?: unknown, instead = false): void {
  const entry = crypto.randomUUID();
  if (given !== undefined) typed.set(entry, given);
  if (instead) history.replaceState({ entry }, '', to);
  else history.pushState({ entry }, '', to);
  arrive();
  scrollTo(0, 0);
}

/** What was given with the page that is shown; undefined after it was loaded afresh. */
export function given<T>(): T | undefined {
  return typed.get(here.entry) as T | undefined;
}

/** Turns links to our own pages into steps without loading. Call it once. */
export function start(): void {
  addEventListener('popstate', arrive); // of a # that was changed by hand, too
  addEventListener('click', (e) => {
    const link = e.target instanceof Element ? e.target.closest('a') : null;
    if (!link || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute('download') || link.hash) return;
    if (!patterns.includes(link.pathname)) return;
    e.preventDefault();
    go(link.pathname + link.search);
  });
}
