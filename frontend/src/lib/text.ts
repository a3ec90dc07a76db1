/** Values as people write them: `ons/text.go`. */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { compare, concat, hex, unhex } from './bytes.js';
import { lower, suffix, type Type } from './name.js';
import { plain } from './value.js';

/** Numbers that open an address: primary, subaddress, integrated (spec B.6). */
const prefixes: Record<string, readonly [number, number, number]> = {
  mainnet: [114, 116, 115],
  fakechain: [114, 116, 115],
  localdev: [114, 116, 115],
  testnet: [156, 158, 157],
  devnet: [3930, 5850, 4442],
  stagenet: [4888, 5656, 5272],
};

/** Returns a value as people write it; null if it is no value of its type or the network is unknown. */
export function valueText(type: Type, b: Uint8Array, network: string): string | null {
  if (!plain(type, b.length)) return null;
  switch (type) {
    case 'session':
      return hex(b);
    case 'lokinet':
      return base32z(b) + suffix;
    case 'wallet':
      return address(b, network);
  }
}

/** Reads what valueText writes, in either case but for addresses; null if it is none. */
export function parseValue(type: Type, text: string, network: string): Uint8Array | null {
  switch (type) {
    case 'session': {
      const b = unhex(text);
      return b?.length === 33 && b[0] === 5 ? b : null;
    }
    case 'lokinet':
      return text.length === 52 + suffix.length && lower(text).endsWith(suffix) ? parseBase32z(lower(text).slice(0, 52)) : null;
    case 'wallet':
      return parseAddress(text, network);
  }
}

function address(value: Uint8Array, network: string): string | null {
  const prefix = prefixes[network]?.[value[0] ?? 3];
  if (prefix === undefined) return null;
  const body = concat(varint(prefix), value.subarray(1));
  return base58(concat(body, keccak_256(body).subarray(0, 4)));
}

function parseAddress(s: string, network: string): Uint8Array | null {
  const all = parseBase58(s);
  if (!all || all.length < 5) return null;
  const body = all.subarray(0, -4);
  if (compare(keccak_256(body).subarray(0, 4), all.subarray(-4)) !== 0) return null;
  const kinds = prefixes[network] ?? [];
  for (const [kind, prefix] of kinds.entries()) {
    const head = varint(prefix);
    if (compare(body.subarray(0, head.length), head) !== 0) continue;
    const value = concat(Uint8Array.of(kind), body.subarray(head.length));
    return value.length === (kind === 2 ? 73 : 65) ? value : null;
  }
  return null;
}

function varint(n: number): Uint8Array {
  const out = [];
  for (; n >= 0x80; n >>>= 7) out.push((n & 0x7f) | 0x80);
  out.push(n);
  return Uint8Array.from(out);
}

const alphabet58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const sizes58 = [0, 2, 3, 5, 6, 7, 9, 10, 11]; // characters for so many bytes: blocks of 8 become 11

function base58(b: Uint8Array): string {
  let out = '';
  for (let at = 0; at < b.length; at += 8) {
    const block = b.subarray(at, at + 8);
    let v = BigInt('0x' + hex(block));
    let s = '';
    for (let i = 0; i < sizes58[block.length]!; i++) {
      s = alphabet58[Number(v % 58n)] + s;
      v /= 58n;
    }
    out += s;
  }
  return out;
}

function parseBase58(s: string): Uint8Array | null {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < s.length; at += 11) {
    const chars = s.slice(at, at + 11);
    const n = sizes58.indexOf(chars.length);
    if (n < 1) return null;
    let v = 0n;
    for (const c of chars) {
      const digit = alphabet58.indexOf(c);
      if (digit < 0) return null;
      v = v * 58n + BigInt(digit);
    }
    if (v >> BigInt(8 * n) !== 0n) return null;
    parts.push(unhex(v.toString(16).padStart(2 * n, '0'))!);
  }
  return concat(...parts);
}

const alphabet32 = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** Writes 32 bytes as the 52 characters of .loki and .snode addresses, most significant bits first. */
export function base32z(key: Uint8Array): string {
  let s = '';
  let bits = 0;
  let have = 0;
  for (const c of key) {
    bits = ((bits << 8) | c) & 0xffff;
    have += 8;
    for (; have >= 5; have -= 5) s += alphabet32[(bits >> (have - 5)) & 31];
  }
  return s + alphabet32[(bits << (5 - have)) & 31];
}

/** Reads what base32z writes; null if it is no such text, or its last character carries more than its one bit. */
export function parseBase32z(s: string): Uint8Array | null {
  if (s.length !== 52) return null;
  const key = new Uint8Array(32);
  let bits = 0;
  let have = 0;
  let at = 0;
  for (const c of s) {
    const digit = alphabet32.indexOf(c);
    if (digit < 0) return null;
    bits = ((bits << 5) | digit) & 0xffff;
    have += 5;
    if (have >= 8 && at < key.length) {
      have -= 8;
      key[at++] = (bits >> have) & 0xff;
    }
  }
  return (bits & ((1 << have) - 1)) === 0 ? key : null;
}
