import { expect, test } from 'vitest';
import { append, askKinds, logKinds, logOf, numberOf, parseKinds, prepend, takenBack, type LogKind, type Placed } from './log.js';

const log = '0123456789abcdef';
const entry = (number: number, kind: LogKind, height: number, node?: Placed['node']): Placed => ({ cursor: `${log}-${number}`, kind, height, ...(node && { node }) });
const numbers = (all: Iterable<string>): number[] => Array.from(all, numberOf);

test('a cursor is a log and a number', () => {
  expect(numberOf(`${log}-12`)).toBe(12);
  expect(logOf(`${log}-12`)).toBe(log);
  for (const bad of ['', '12', `${log}-`, `${log}-1x`, 'now']) expect(numberOf(bad)).toBe(-1);
});

test('filters name kinds, and anything else is all of them', () => {
  expect(parseKinds('transfer,buy')).toEqual(['buy', 'transfer']);
  for (const all of [null, '', 'nonsense', ',']) expect(parseKinds(all)).toEqual(logKinds);
  expect(parseKinds('buy,nonsense')).toEqual(['buy']);
  expect(askKinds(['buy'])).toBe('buy,reorg');
  expect(askKinds(['node', 'reorg'])).toBe('reorg,node');
});

test('a reorganisation takes back what entries before it did above its height, and no more', () => {
  const list = [
    entry(9, 'buy', 12), // again, in the new blocks
    entry(8, 'reorg', 10),
    entry(7, 'expire', 12),
    entry(6, 'node', 12, { kind: 'active', noticed: 12 }),
    entry(5, 'buy', 12),
    entry(4, 'update', 11),
    entry(3, 'renew', 10),
  ];
  expect(numbers(takenBack(list))).toEqual([7, 5, 4]);
  expect(takenBack(list.slice(2)).size).toBe(0);
});

test('nodes are taken back by entries of their own, by where it was noticed', () => {
  const list = [
    entry(6, 'node', 9, { kind: 'decommissioned', noticed: 12 }),
    entry(5, 'node', 10, { kind: 'undone' }),
    entry(4, 'node_reasons', 12, { kind: 'decommissioned' }),
    entry(3, 'node', 9, { kind: 'decommissioned', noticed: 11 }),
    entry(2, 'buy', 12),
    entry(1, 'node', 9, { kind: 'active', noticed: 10 }),
  ];
  expect(numbers(takenBack(list))).toEqual([3]);
});

test('the deepest of several reorganisations counts', () => {
  const list = [entry(6, 'reorg', 20), entry(5, 'buy', 21), entry(4, 'reorg', 10), entry(3, 'buy', 15), entry(2, 'buy', 10)];
  expect(numbers(takenBack(list))).toEqual([5, 3]);
});

test('nothing is listed twice', () => {
  const [a, b, c] = [entry(1, 'buy', 1), entry(2, 'buy', 2), entry(3, 'buy', 3)];
  expect(prepend([b, a], [b, c])).toEqual([c, b, a]);
  expect(append([c], [a, b, c])).toEqual([c, b, a]);
  expect(append([], [a, b])).toEqual([b, a]);
});
