import { expect, test } from 'vitest';
import { concat, hex, unhex } from './bytes.js';
import { Bundle, BundleError } from './bundle.js';
import type { Type } from './name.js';
import { readJSON } from './test/vectors.js';

const v = readJSON<{ bundle: string; delta: string; after: string; hashes: number; rows: { type: Type; hash: string; stored: string; expires: number }[] }>('browser.json');
const bytes = (s: string): Uint8Array => unhex(s)!;

test('finds every row and nothing else', () => {
  const b = Bundle.parse(bytes(v.bundle));
  expect(b.at).toEqual({ network: 'fakechain', height: 100, hash: '01' + '0'.repeat(62), time: 1_700_000_000 });
  expect(b.names()).toBe(v.rows.length);
  expect(b.hashes()).toBe(v.hashes);
  for (const row of v.rows) {
    const got = b.find(row.type, bytes(row.hash))!;
    expect(hex(concat(got.sealed.ciphertext, got.sealed.nonce ?? new Uint8Array()))).toBe(row.stored);
    expect(got.expires).toBe(row.expires);
    expect(got.sealed.nonce === null).toBe(row.stored.length === 98);
    expect(b.find(row.type, bytes(row.hash.slice(0, -2) + 'ff'))).toBeNull();
  }
});

test('a delta makes the bundle that Go makes afresh', () => {
  const b = Bundle.parse(bytes(v.bundle));
  const after = b.apply(bytes(v.delta));
  expect(hex(after.bytes)).toBe(v.after);
  expect(() => after.apply(bytes(v.delta))).toThrow(BundleError); // for another bundle
});

test('what changed since its own block is nothing, and costs nothing', () => {
  const whole = bytes(v.bundle);
  const b = Bundle.parse(whole);
  const magic = new TextEncoder();
  const head = whole.subarray(8, 8 + 1 + whole[8]! + 8 + 32 + 8);
  const none = concat(magic.encode('onsdlta1'), head, bytes(b.at.hash), bytes(b.digest()), new Uint8Array(24));
  expect(b.apply(none)).toBe(b);
  const lie = none.slice();
  lie[8 + head.length + 32]! ^= 1; // another digest than that of what is here
  expect(() => b.apply(lie)).toThrow(BundleError);
});

test('damage anywhere is an error', () => {
  const whole = bytes(v.bundle);
  for (let i = 0; i < whole.length; i += 3) {
    const damaged = whole.slice();
    damaged[i]! ^= 0x40;
    expect(() => Bundle.parse(damaged)).toThrow(BundleError);
    expect(() => Bundle.parse(whole.slice(0, i))).toThrow(BundleError);
  }
  const delta = bytes(v.delta);
  const b = Bundle.parse(whole);
  for (let i = 0; i < delta.length; i++) {
    const damaged = delta.slice();
    damaged[i]! ^= 0x40;
    // A hash to take out that is not there does no harm; all else is noticed.
    let made: string | null = null;
    try {
      made = hex(b.apply(damaged).bytes);
    } catch (err) {
      expect(err).toBeInstanceOf(BundleError);
    }
    expect([null, v.after]).toContain(made);
    expect(() => b.apply(delta.slice(0, i))).toThrow(BundleError);
  }
});
