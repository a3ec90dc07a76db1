import type { PastRecord } from './range.js';

/** The entries of a history that were there when it was looked at before and are no longer: a reorganisation has undone them. */
export function undoneSince(before: readonly PastRecord[], undone: readonly PastRecord[], next: readonly PastRecord[]): PastRecord[] {
  const there = new Set(next.map((r) => r.txid));
  const out = new Map<string, PastRecord>();
  for (const r of [...undone, ...before]) if (!there.has(r.txid)) out.set(r.txid, r);
  return [...out.values()];
}
