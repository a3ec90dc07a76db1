/**
 * Look-ups by a range of hashes, and when they are refused: the rules of `cmd/onsight/range.go`. Who asks for a range does not say
 * which name in it is meant, if only there are enough of them.
 */
import { hex, unhex } from './bytes.js';
import { parseHash } from './hash.js';
import type { Type } from './name.js';
import { parseSealed, type Sealed } from './value.js';

export const leastHashes = 64; // different ones that a range must hold, else it is as good as the hash
const meantHashes = 128; // that one should hold on average: counts of names are divided by this
export const mostBits = 8; // of a hash that are ever sent

/** What a server says of its ranges. */
export interface Offer {
  readonly bits: number;
  readonly hashes: number;
  readonly records: number;
  readonly ready: boolean;
}

/** Says that a server offers or gives ranges that hold too little to hide in, or others than it was asked for. */
export class RefusedError extends Error {}

/** Throws RefusedError for an offer that promises less than 64 hashes to each range. */
export function checkOffer(o: Offer): void {
  const ok = Number.isSafeInteger(o.bits) && Number.isSafeInteger(o.hashes) && o.bits >= 0 && o.bits <= mostBits && o.hashes >= 0;
  if (!ok || (o.bits > 0 && o.hashes < leastHashes << o.bits)) {
    throw new RefusedError(`offers ranges of ${o.bits} bits for ${o.hashes} names`);
  }
}

/** How many bits of a hash may be sent if there are so many names: a range then holds 128 of them or more. */
export function capBits(names: number): number {
  return Math.min(mostBits, Math.max(0, Math.floor(Math.log2(Math.max(1, Math.floor(names / meantHashes))))));
}

/** How many bits an offer allows, given a count of names from elsewhere than this server's word (0: there is none). */
export function allowedBits(o: Offer, elsewhere: number): number {
  return Math.min(o.bits, capBits(Math.min(o.hashes, elsewhere)));
}

/** What keeps the most bits that were ever sent for a network: localStorage, as a number and nothing else. */
export interface Memory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/**
 * Returns how many bits to send: as many as are allowed, but no more than ever before unless told. The most is kept before it is
 * sent; where it cannot be kept, none are.
 */
export function rememberBits(memory: Memory, network: string, allowed: number, more: boolean): number {
  const key = `onsight.bits.${network}`;
  try {
    const before = memory.getItem(key);
    if (before !== null) {
      const most = /^[0-8]$/.test(before) ? Number(before) : 0;
      if (allowed <= most || !more) return Math.min(allowed, most);
    }
    memory.setItem(key, String(allowed));
    return memory.getItem(key) === String(allowed) ? allowed : 0;
  } catch {
    return 0;
  }
}

/** The first bits of a hash as a number. */
export function firstBits(hash: Uint8Array, width: number): number {
  return hash[0]! >> (8 - width);
}

/** A record as ranges have it. */
export interface RangedRecord {
  readonly type: Type;
  readonly hash: string;
  readonly sealed: Sealed;
  readonly owner: string;
  readonly backup: string | null;
  readonly registered: number;
  readonly updated: number;
  readonly expires: number;
  readonly txid: string;
}

/** A range as the API gives it; only what is read of it. */
export interface RangeReply {
  readonly ready: boolean;
  readonly records: readonly {
    readonly type: Type;
    readonly name_hash: string;
    readonly encrypted_value: string;
    readonly nonce: string | null;
    readonly owner: string;
    readonly backup_owner: string | null;
    readonly register_height: number;
    readonly update_height: number;
    readonly expiration_height: number | null;
    readonly txid: string;
  }[];
}

/** The records of a range, and how many different hashes they have. Throws RefusedError for another range or one that holds too few. */
export function readRange(reply: RangeReply, width: number, number: number): { records: Map<string, RangedRecord>; hashes: number } {
  const records = new Map<string, RangedRecord>();
  const hashes = new Set<string>();
  for (const r of reply.records) {
    const hash = parseHash(r.name_hash);
    if (!hash || firstBits(hash, width) !== number) throw new RefusedError('gives names of another range');
    const text = hex(hash);
    hashes.add(text);
    const value = unhex(r.encrypted_value + (r.nonce ?? ''));
    const sealed = value && parseSealed(r.type, value);
    if (!sealed) throw new RefusedError('gives a value that no name can have');
    records.set(recordKey(r.type, text), {
      type: r.type, hash: text, sealed, owner: r.owner, backup: r.backup_owner,
      registered: r.register_height, updated: r.update_height, expires: r.expiration_height ?? 0, txid: r.txid,
    });
  }
  if (width > 0 && hashes.size < leastHashes) throw new RefusedError(`gives a range of ${hashes.size} names`);
  return { records, hashes: hashes.size };
}

export const recordKey = (type: Type, hash: string): string => `${type} ${hash}`;
