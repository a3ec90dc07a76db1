import { describe, expect, test } from 'vitest';
import { hex } from './bytes.js';
import { allowedBits, bitsToSend, capBits, checkOffer, firstBits, namesAmong, RefusedError, rememberBits, type Memory } from './bits.js';
import { readHistory, readRange } from './range.js';

const offer = (bits: number, hashes: number) => ({ bits, hashes, records: hashes, ready: true });

test.each([
  [0, 0], [127, 0], [128, 0], [255, 0], [256, 1], [511, 1], [512, 2], [3000, 4], [10_000, 6], [32_768, 8], [1_000_000, 8],
])('%i names bear %i bits', (names, bits) => expect(capBits(names)).toBe(bits));

test('the lower count of names decides', () => {
  expect(allowedBits(offer(6, 10_000), 10_000)).toBe(6);
  expect(allowedBits(offer(6, 10_000), 3000)).toBe(4);
  expect(allowedBits(offer(6, 10_000), 0)).toBe(0); // nobody else has counted
  expect(allowedBits(offer(2, 10_000), 10_000)).toBe(2);
});

test('among how many is the least that anybody says', () => {
  expect(namesAmong(offer(6, 1_000_000), 3000, 4)).toBe(187);
  expect(namesAmong(offer(4, 2000), 3000, 4)).toBe(125);
  expect(namesAmong(offer(6, 1_000_000), 0, 0)).toBe(0);
});

test.each([offer(6, 4095), offer(9, 1_000_000), offer(-1, 100), offer(0.5, 1000), offer(1, 127)])('refuses an offer %o', (o) => {
  expect(() => checkOffer(o)).toThrow(RefusedError);
});
test.each([offer(6, 4096), offer(0, 0), offer(1, 128)])('takes an offer %o', (o) => expect(() => checkOffer(o)).not.toThrow());

describe('the most bits ever sent', () => {
  const memory = (): Memory & { kept: Map<string, string> } => {
    const kept = new Map<string, string>();
    return { kept, getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => void kept.set(k, v) };
  };

  test('never grows unless told', () => {
    const m = memory();
    expect(rememberBits(m, 'mainnet', 4)).toBe(4);
    expect(rememberBits(m, 'mainnet', 6)).toBe(4);
    expect(rememberBits(m, 'mainnet', 2)).toBe(2);
    expect(rememberBits(m, 'mainnet', 4)).toBe(4); // what was sent before reveals no more
    expect(rememberBits(m, 'mainnet', 6, 6)).toBe(6);
    expect(bitsToSend(m, 'mainnet', 8)).toBe(6);
    expect(bitsToSend(m, 'mainnet', 8, 8)).toBe(8); // what would be sent; it is not kept
    expect(bitsToSend(m, 'mainnet', 8, 7)).toBe(7); // as many as were agreed to, and no more
    expect(bitsToSend(m, 'mainnet', 8, 5)).toBe(6);
    expect(rememberBits(m, 'testnet', 1)).toBe(1); // each network has its own
    expect([...m.kept]).toEqual([['onsight.bits.mainnet', '6'], ['onsight.bits.testnet', '1']]); // numbers, nothing else
  });

  test('is none where it cannot be kept', () => {
    expect(rememberBits({ getItem: () => null, setItem: () => { throw new Error('full'); } }, 'mainnet', 4)).toBe(0);
    expect(rememberBits({ getItem: () => null, setItem: () => {} }, 'mainnet', 4)).toBe(0);
    const m = memory();
    m.setItem('onsight.bits.mainnet', 'all');
    expect(rememberBits(m, 'mainnet', 4)).toBe(0);
  });
});

test('first bits', () => {
  const hash = Uint8Array.from([0b1011_0110, 0xff]);
  expect([0, 1, 4, 8].map((n) => firstBits(hash, n))).toEqual([0, 1, 0b1011, 0b1011_0110]);
});

describe('a range', () => {
  const record = (first: number, i: number) => ({
    type: 'session' as const, name_hash: hex(Uint8Array.of(first, i, ...new Array<number>(30).fill(0))), encrypted_value: '00'.repeat(49), nonce: '00'.repeat(24),
    owner: 'L', backup_owner: null, register_height: 1, registered_at: null, update_height: 2, updated_at: '2026-11-22T00:00:00Z', expiration_height: null, txid: '00'.repeat(32),
  });
  const many = (n: number) => Array.from({ length: n }, (_, i) => record(0xb0, i));

  test('is read', () => expect(readRange(many(64), 4, 0xb).hashes).toBe(64));
  test('that holds too few is refused', () => expect(() => readRange(many(63), 4, 0xb)).toThrow(RefusedError));
  test('of all may hold few', () => expect(readRange(many(3), 0, 0).hashes).toBe(3));
  test('other than asked for is refused', () => expect(() => readRange(many(64), 4, 0xc)).toThrow(RefusedError));
  test('with an impossible value is refused', () => {
    const r = many(64);
    r[0]!.encrypted_value = '00';
    expect(() => readRange(r, 4, 0xb)).toThrow(RefusedError);
  });
  test('of what happened', () => {
    const rows = many(64).flatMap((r) => [{ ...r, kind: 'buy' as const }, { ...r, kind: 'update' as const, update_height: 3 }]);
    const got = readHistory(rows, 4, 0xb, [rows[6]!.name_hash]);
    expect([got[0]!.registeredAt, got[0]!.updatedAt]).toEqual([null, Date.UTC(2026, 10, 22) / 1000]); // a block's own time, or none
    expect(got.map((r) => [r.kind, r.updated, r.hash])).toEqual([['buy', 2, rows[6]!.name_hash], ['update', 3, rows[6]!.name_hash]]);
    expect(() => readHistory(rows.slice(0, 126), 4, 0xb, [rows[6]!.name_hash])).toThrow(RefusedError);
  });
  test('counts different hashes', () => {
    const r = many(63);
    r.push(record(0xb0, 0));
    expect(() => readRange(r, 4, 0xb)).toThrow(RefusedError);
  });
});
