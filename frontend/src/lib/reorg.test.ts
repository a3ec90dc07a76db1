import { expect, test } from 'vitest';
import { fateOf, picture, type Change, type Undoing } from './reorg.js';

const change = (txid: string, height: number): Change => ({ txid, height, tx_index: 0, kind: 'buy', type: 'session', name_hash: txid });
const reorg = (undone: Change[], redone: Change[], to: number | null = 12): Undoing => ({
  depth: 2, base: { height: 10 }, to: to === null ? null : { height: to }, undone: { count: undone.length, transactions: undone }, redone: { count: redone.length, transactions: redone },
});

test('what is in the new blocks too is not lost', () => {
  const fates = fateOf(reorg([change('a', 11), change('b', 12)], [change('b', 11), change('c', 12)]));
  expect(fates.map((f) => [f.change.txid, f.fate, f.height])).toEqual([['a', 'lost', null], ['b', 'again', 11], ['c', 'new', null]]);
  expect(fateOf(reorg([], []))).toEqual([]);
  const cut = reorg([change('a', 11)], [change('c', 12)]);
  expect(fateOf({ ...cut, redone: { ...cut.redone, count: 60 } })[0]!.fate).toBe('unsure');
});

test('a picture has so many blocks and no more', () => {
  expect(picture(reorg([], []))).toEqual({ old: 2, oldShown: 2, fresh: 2, freshShown: 2 });
  expect(picture(reorg([], [], null))).toEqual({ old: 2, oldShown: 2, fresh: 0, freshShown: 0 });
  expect(picture({ ...reorg([], [], 40), depth: 30 })).toEqual({ old: 30, oldShown: 8, fresh: 30, freshShown: 8 });
});
