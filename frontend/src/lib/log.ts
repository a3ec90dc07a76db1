/** The log of everything that happened: what may be asked of it, and which of its entries a reorganisation has taken back. */
export const logKinds = ['buy', 'update', 'renew', 'transfer', 'expire', 'reorg', 'node', 'node_reasons'] as const;

export type LogKind = (typeof logKinds)[number];

/** Of an entry, what is needed to tell whether it still holds. */
export interface Placed {
  readonly cursor: string;
  readonly kind: LogKind;
  readonly height: number;
  readonly node?: { readonly kind: string; readonly noticed?: number };
}

/** The number of a cursor: they rise by one. -1 if it is no cursor. */
export function numberOf(cursor: string): number {
  const m = /^[0-9a-f]{16}-([0-9]{1,16})$/.exec(cursor);
  return m ? Number(m[1]) : -1;
}

/** The log that a cursor is of. */
export function logOf(cursor: string): string {
  return cursor.slice(0, 16);
}

/** The kinds that a filter names, in the order of logKinds; all for none, and for words that are no kinds. */
export function parseKinds(text: string | null): readonly LogKind[] {
  const words = (text ?? '').split(',');
  const named = logKinds.filter((k) => words.includes(k));
  return named.length === 0 ? logKinds : named;
}

/** What to ask for, to show these kinds: reorganisations come too, else nobody could tell which entries they took back. */
export function askKinds(kinds: readonly LogKind[]): string {
  return logKinds.filter((k) => k === 'reorg' || kinds.includes(k)).join(',');
}

/** The cursors of the entries that later ones have taken back. The entries are without a gap from the newest, which stands first. */
export function takenBack(entries: readonly Placed[]): Set<string> {
  const gone = new Set<string>();
  let names = Infinity; // what changed names above this height was taken back
  let nodes = Infinity; // and what was noticed of nodes above this one
  for (const e of entries) {
    if (e.kind === 'reorg') names = Math.min(names, e.height);
    else if (e.kind === 'node' && e.node?.kind === 'undone') nodes = Math.min(nodes, e.height);
    else if (e.kind === 'node' ? (e.node?.noticed ?? 0) > nodes : e.kind !== 'node_reasons' && e.height > names) gone.add(e.cursor);
  }
  return gone;
}

/** Adds entries that are newer than all there are, oldest first. What is there already is left out. */
export function prepend<E extends Placed>(list: readonly E[], newer: readonly E[]): E[] {
  const newest = list[0] ? numberOf(list[0].cursor) : -1;
  return [...newer.filter((e) => numberOf(e.cursor) > newest).reverse(), ...list];
}

/** Adds entries that are older than all there are, oldest first. */
export function append<E extends Placed>(list: readonly E[], older: readonly E[]): E[] {
  const last = list.at(-1);
  const oldest = last ? numberOf(last.cursor) : Infinity;
  return [...list, ...older.filter((e) => numberOf(e.cursor) < oldest).reverse()];
}
