import { blake2b } from '@noble/hashes/blake2.js';
import { compare, unhex, utf8 } from './bytes.js';
import type { Name } from './name.js';

/** The hash of a name, all the chain knows of it: BLAKE2b-256 of its folded text. A session and a wallet name of one text share it. */
export function hashOf(n: Name): Uint8Array {
  return blake2b(utf8(n.text), { dkLen: 32 });
}

/** Reads 64 hexadecimal digits, or 43 or 44 characters of base64 in either alphabet; each hash has one spelling per form. */
export function parseHash(s: string): Uint8Array | null {
  if (s.length === 64) return unhex(s);
  if (!/^[0-9A-Za-z+/]{43}=?$|^[0-9A-Za-z_-]{43}=?$/.test(s)) return null;
  const plain = s.slice(0, 43).replace(/-/g, '+').replace(/_/g, '/');
  const b = Uint8Array.from(atob(plain + '='), (c) => c.charCodeAt(0));
  return btoa(String.fromCharCode(...b)) === plain + '=' ? b : null; // unused bits must be zero
}

/** Finds the first of rows of one size, which begin with hashes in ascending order, whose hash is this one or comes behind it. */
export function firstRow(rows: Uint8Array, size: number, hash: Uint8Array): number {
  let low = 0;
  let high = rows.length / size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(rows.subarray(middle * size, middle * size + 32), hash) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Finds a hash among such rows; -1 if it is not there. */
export function findRow(rows: Uint8Array, size: number, hash: Uint8Array): number {
  const row = firstRow(rows, size, hash);
  return row * size < rows.length && compare(rows.subarray(row * size, row * size + 32), hash) === 0 ? row : -1;
}
