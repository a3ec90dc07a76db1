import { expect, test } from 'vitest';
import { unhex } from '../lib/bytes.js';
import type { Known } from '../lib/registry.js';
import { readJSON } from '../lib/test/vectors.js';
import { parseSealed } from '../lib/value.js';
import { facets, hashFor, type Answer } from './lookup.js';

const { names } = readJSON<{ names: { id: string; name: string; stored: string }[] }>('chain.json');
const lokinet = parseSealed('lokinet', unhex(names.find((v) => v.id === 'V3')!.stored)!)!;

/** What is said of a lokinet name with the value of another, which lives so long. */
function stateOf(expires: number): string {
  const at = { network: 'mainnet', height: 100, hash: '', time: 0 };
  const known: Known = { at, whole: true, hashes: 1, find: (type) => (type === 'lokinet' ? { sealed: lokinet, expires, record: null } : null) };
  const how = { kind: 'all', bits: 0, index: '0', hashes: 1, among: 0, allowed: 0, digest: null } as const;
  const answer: Answer = { at, ready: true, known, how, changes: '' };
  const q = { text: 'another.loki' };
  return facets(q, answer, hashFor(q, 'lokinet')!).find((f) => f.type === 'lokinet')!.state;
}

test('a value that does not open is unreadable as long as the name lives', () => {
  expect(stateOf(1_000_000)).toBe('unreadable');
  expect(stateOf(100)).toBe('expired');
});
