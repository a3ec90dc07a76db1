import { describe, expect, test } from 'vitest';
import { hex, unhex } from './bytes.js';
import { hashOf, parseHash } from './hash.js';
import { isName, parseName, types, type Name, type Type } from './name.js';
import { readJSON } from './test/vectors.js';
import { base32z, parseBase32z, parseValue, valueText } from './text.js';
import { open, openLegacy, parseSealed } from './value.js';

interface Vector {
  id: string; name: string; input?: string; type: number; scheme: string; name_hash: string; name_hash_b64: string;
  plaintext: string; stored: string; text?: string;
}
const vectors = readJSON<{ names: Vector[] }>('chain.json').names;
const today = vectors.filter((v) => v.scheme === 'xchacha20poly1305');
const legacy = vectors.filter((v) => v.scheme === 'argon2id-secretbox');

function must(type: Type, text: string): Name {
  const n = parseName(type, text);
  if (!isName(n)) throw new Error(`${text}: ${n}`);
  return n;
}

describe('chain.json', () => {
  // V12 is of oxen-core's own test, which seals under a name that no wallet registers.
  const named = (v: Vector): Name => (v.id === 'V12' ? { type: 'lokinet', text: v.name } : must(types[v.type]!, v.input ?? v.name));

  test.each(vectors.map((v) => [v.id, v] as const))('%s: hash', (_, v) => {
    expect(named(v).text).toBe(v.name);
    expect(hex(hashOf(named(v)))).toBe(v.name_hash);
    for (const text of [v.name_hash, v.name_hash.toUpperCase(), v.name_hash_b64, v.name_hash_b64.replace('=', '').replaceAll('+', '-').replaceAll('/', '_')]) {
      expect(hex(parseHash(text)!)).toBe(v.name_hash);
    }
  });

  test.each(today.map((v) => [v.id, v] as const))('%s: opens', (_, v) => {
    const sealed = parseSealed(types[v.type]!, unhex(v.stored)!)!;
    const value = open(named(v), sealed)!;
    expect(hex(value)).toBe(v.plaintext);
    if (v.text) {
      expect(valueText(named(v).type, value, 'mainnet')).toBe(v.text);
      expect(hex(parseValue(named(v).type, v.text, 'mainnet')!)).toBe(v.plaintext);
    }
    sealed.ciphertext[0]! ^= 1;
    expect(open(named(v), sealed)).toBeNull();
  });

  // 256 MiB and seconds each: one, and that another name does not open it, is enough.
  test('of 2020', { timeout: 120_000 }, () => {
    const v = legacy[0]!;
    const sealed = parseSealed('session', unhex(v.stored)!)!;
    expect(sealed.nonce).toBeNull();
    expect(open(named(v), sealed)).toBeNull();
    expect(hex(openLegacy(named(v), sealed.ciphertext)!)).toBe(v.plaintext);
  });
});

test('libsession.json', () => {
  const all = readJSON<{ ons: { modern: { name: string; name_hash_b64: string; session_id: string; ciphertext_hex: string; nonce_hex: string }[] } }>('libsession.json').ons.modern;
  expect(all.length).toBeGreaterThan(4);
  for (const v of all) {
    const n = must('session', v.name);
    expect(hex(hashOf(n))).toBe(hex(parseHash(v.name_hash_b64)!));
    expect(hex(open(n, parseSealed('session', unhex(v.ciphertext_hex + v.nonce_hex)!)!)!)).toBe(v.session_id);
  }
});

test.each(['oxend10', 'oxend11'])('%s: every record of a real chain', (folder) => {
  const all = readJSON<{ records: { name: string; type: Type; name_hash_hex: string; encrypted_value?: string; decrypted_raw_hex?: string; decrypted_hex?: string; owner: string }[] }>(`${folder}/ons_records.json`).records;
  let opened = 0;
  for (const r of all) {
    const n = must(r.type, r.name);
    expect(hex(hashOf(n))).toBe(r.name_hash_hex);
    if (!r.encrypted_value) continue; // it had expired when the chain was recorded
    const value = open(n, parseSealed(r.type, unhex(r.encrypted_value)!)!);
    const want = r.decrypted_raw_hex ?? r.decrypted_hex;
    if (!value || !want) continue;
    opened++;
    expect(hex(value)).toBe(want);
    if (r.owner.length > 64) expect(valueText('wallet', parseValue('wallet', r.owner, 'fakechain')!, 'fakechain')).toBe(r.owner);
  }
  expect(opened).toBeGreaterThan(5);
});

test('texts that are no values', () => {
  const id = '05' + '0'.repeat(64);
  const address = today.find((v) => v.type === 1)!.text!;
  for (const [type, text] of [
    ['session', id.slice(1)], ['session', '15' + id.slice(2)], ['session', id.slice(0, -1) + 'g'],
    ['lokinet', 'y'.repeat(51) + '.loki'], ['lokinet', 'y'.repeat(51) + 'b.loki'], ['lokinet', 'y'.repeat(52)],
    ['wallet', address.slice(0, -1) + (address.endsWith('1') ? '2' : '1')], ['wallet', address + '1'], ['wallet', ''], ['wallet', '0' + address.slice(1)],
  ] as const) expect(parseValue(type, text, 'mainnet'), text).toBeNull();
  expect(parseValue('wallet', address, 'testnet')).toBeNull();
  expect(parseHash('z'.repeat(64))).toBeNull();
  expect(parseHash('A'.repeat(42) + 'B')).toBeNull(); // unused bits
});

test('base32z there and back', () => {
  for (let i = 0; i < 256; i++) {
    const key = Uint8Array.from({ length: 32 }, (_, j) => (i * 31 + j * 97) & 0xff);
    expect(hex(parseBase32z(base32z(key))!)).toBe(hex(key));
  }
});
