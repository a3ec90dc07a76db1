import { expect, test } from 'vitest';
import { undoneSince } from './past.js';
import type { PastRecord } from './range.js';

const entry = (txid: string): PastRecord => ({
  txid, kind: 'buy', type: 'session', hash: '', sealed: { ciphertext: new Uint8Array(), nonce: null }, owner: '', backup: null, registered: 1, registeredAt: null, updated: 1, updatedAt: null, expires: 0,
});
const ids = (all: readonly PastRecord[]): string[] => all.map((r) => r.txid);

test('what vanished is undone, and what came back is not', () => {
  const [a, b, c] = [entry('a'), entry('b'), entry('c')];
  const first = undoneSince([a, b], [], [a, c]);
  expect(ids(first)).toEqual(['b']);
  expect(ids(undoneSince([a, c], first, [a, c]))).toEqual(['b']);
  expect(ids(undoneSince([a, c], first, [a]))).toEqual(['b', 'c']);
  expect(ids(undoneSince([a, c], first, [a, b]))).toEqual(['c']);
  expect(ids(undoneSince([], [], [a]))).toEqual([]);
});
