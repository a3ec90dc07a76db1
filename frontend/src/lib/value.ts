/**
 * Values as the chain stores them, encrypted under a key that everybody derives from the name, and in the clear: `ons/value.go`.
 * That one opens proves only that whoever sealed it knew the name.
 */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { argon2id, argon2idAsync } from '@noble/hashes/argon2.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { utf8 } from './bytes.js';
import { hashOf } from './hash.js';
import type { Name, Type } from './name.js';

export interface Sealed {
  readonly ciphertext: Uint8Array; // with the 16 bytes of its tag
  readonly nonce: Uint8Array | null; // null: the argon2 scheme of 2020, which only session values have
}

const nonceSize = 24;
const tagSize = 16;
export const legacySize = 33 + tagSize;

/** Reports whether values of a type can have n bytes in the clear. */
export function plain(type: Type, n: number): boolean {
  switch (type) {
    case 'session':
      return n === 33; // 0x05 || X25519 public key
    case 'wallet':
      return n === 65 || n === 73; // kind || spend || view [|| payment id]
    case 'lokinet':
      return n === 32; // Ed25519 public key
  }
}

/** Reports whether stored values of a type can have n bytes. */
export function storedSize(type: Type, n: number): boolean {
  return (type === 'session' && n === legacySize) || plain(type, n - tagSize - nonceSize);
}

/** Splits a value as transactions carry it, ciphertext || nonce; null if no value of the type has its length. */
export function parseSealed(type: Type, stored: Uint8Array): Sealed | null {
  if (!storedSize(type, stored.length)) return null;
  if (stored.length === legacySize) return { ciphertext: stored, nonce: null };
  const cut = stored.length - nonceSize;
  return { ciphertext: stored.subarray(0, cut), nonce: stored.subarray(cut) };
}

/** Decrypts a value in today's scheme; null if it does not open with the name, or holds what no value of its type can be. */
export function open(n: Name, s: Sealed): Uint8Array | null {
  if (s.nonce === null || s.nonce.length !== nonceSize || !plain(n.type, s.ciphertext.length - tagSize)) return null;
  const key = blake2b(utf8(n.text), { dkLen: 32, key: hashOf(n) });
  try {
    return checked(n.type, xchacha20poly1305(key, s.nonce).decrypt(s.ciphertext));
  } catch {
    return null;
  }
}

// libsodium's MODERATE of 2020: Argon2id 1.3 with sixteen zero bytes of salt.
const cost = { t: 3, m: 256 * 1024, p: 1, dkLen: 32 };

/** Decrypts a session value in the form of 2020. It takes 256 MiB and seconds: never on the page's own thread. */
export function openLegacy(n: Name, ciphertext: Uint8Array): Uint8Array | null {
  return unbox(n, ciphertext, argon2id(utf8(n.text), new Uint8Array(16), cost));
}

/** As openLegacy; it says how far it is, from 0 to 1. */
export async function openLegacySlowly(n: Name, ciphertext: Uint8Array, progress: (done: number) => void): Promise<Uint8Array | null> {
  return unbox(n, ciphertext, await argon2idAsync(utf8(n.text), new Uint8Array(16), { ...cost, onProgress: progress }));
}

function unbox(n: Name, ciphertext: Uint8Array, key: Uint8Array): Uint8Array | null {
  if (n.type !== 'session' || ciphertext.length !== legacySize) return null;
  try {
    return checked(n.type, xsalsa20poly1305(key, new Uint8Array(nonceSize)).decrypt(ciphertext));
  } catch {
    return null;
  }
}

function checked(type: Type, b: Uint8Array): Uint8Array | null {
  if (!plain(type, b.length)) return null;
  // A wallet's kind is 0 primary, 1 subaddress, 2 integrated; only the last has a payment id.
  if (type === 'wallet' && (b[0]! > 2 || (b[0] === 2) !== b.length > 65)) return null;
  return b;
}
