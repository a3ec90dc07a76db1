/** What a reorganisation did, from what is said of it. */
import type { Type } from './name.js';

export interface Change {
  readonly height: number;
  readonly tx_index: number;
  readonly kind: 'buy' | 'update' | 'renew';
  readonly type: Type;
  readonly name_hash: string;
  readonly txid: string;
}

export interface Undoing {
  readonly depth: number;
  readonly base: { readonly height: number };
  readonly to: { readonly height: number } | null;
  readonly undone: { readonly count: number; readonly transactions: readonly Change[] };
  readonly redone: { readonly count: number; readonly transactions: readonly Change[] };
}

/** lost: taken back, and not in the new blocks; unsure: perhaps so, the list ends before; again: in old and new ones; new: in the new ones alone. */
export type Fate = 'lost' | 'unsure' | 'again' | 'new';

export interface Fated {
  readonly change: Change;
  readonly fate: Fate;
  readonly height: number | null; // of the new block, of what is there again
}

const keyOf = (c: Change): string => `${c.txid} ${c.type}`;

/** What became of each transaction of names: first those that were taken back, then those that are new. */
export function fateOf(r: Undoing): Fated[] {
  const old = new Set(r.undone.transactions.map(keyOf));
  const whole = r.redone.count <= r.redone.transactions.length;
  const again = new Map(r.redone.transactions.map((c) => [keyOf(c), c.height]));
  return [
    ...r.undone.transactions.map((change): Fated => {
      const height = again.get(keyOf(change));
      return height === undefined ? { change, fate: whole ? 'lost' : 'unsure', height: null } : { change, fate: 'again', height };
    }),
    ...r.redone.transactions.filter((c) => !old.has(keyOf(c))).map((change): Fated => ({ change, fate: 'new', height: null })),
  ];
}

const mostBlocks = 8; // that are drawn of each side

/** How many blocks there are on each side of the fork, and how many of them are drawn. */
export function picture(r: Undoing): { old: number; oldShown: number; fresh: number; freshShown: number } {
  const fresh = Math.max(0, (r.to?.height ?? r.base.height) - r.base.height);
  return { old: r.depth, oldShown: Math.min(r.depth, mostBlocks), fresh, freshShown: Math.min(fresh, mostBlocks) };
}
