/**
 * Loads everything afresh where a part of a page could not be fetched: browsers keep a module that failed, and after an upgrade of the
 * server its parts have other names. What was typed is lost by it, so it is done unasked only where nothing was.
 */
import { fetchFrom } from '../api/client.js';

/** The script that a page begins with; its name has a hash of the content. */
export const entryOf = (html: string): string => /<script[^>]*\ssrc="([^"]+)"/.exec(html)?.[1] ?? '';

/** What the server would begin with now; null: it does not answer. */
async function served(): Promise<string | null> {
  try {
    const response = await fetchFrom('/');
    return response.ok ? entryOf(await response.text()) || null : null;
  } catch {
    return null;
  }
}

/** Loads afresh if the server answers, and returns whether it does: where nothing answers, this page is better than none. */
export async function afresh(): Promise<boolean> {
  if ((await served()) === null) return false;
  location.reload();
  return true;
}

/** Loads afresh if the server has other files by now, once for each entry of the history, which tells of it: never without end. */
export async function afreshOnce(): Promise<boolean> {
  const now = await served();
  const state: unknown = history.state;
  const old = typeof state === 'object' && state !== null ? state : {};
  if (now === null || now === entryOf(document.documentElement.outerHTML) || 'afresh' in old) return false;
  history.replaceState({ ...old, afresh: true }, '');
  location.reload();
  return true;
}
