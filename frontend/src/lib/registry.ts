/** What is known of all names, or of those in a range, without asking again. */
import { hex } from './bytes.js';
import type { Bundle } from './bundle.js';
import type { Name } from './name.js';
import { yearBlocks } from './network.js';
import { recordKey, type RangedRecord } from './range.js';
import type { Sealed } from './value.js';

/** The block that an answer is true of. */
export interface AsOf {
  readonly network: string;
  readonly height: number;
  readonly hash: string;
  readonly time: number; // Unix seconds
}

export interface Entry {
  readonly sealed: Sealed;
  readonly expires: number; // last height at which it lives; 0: for ever
  readonly record: RangedRecord | null; // null: known from a bundle, which has no more
}

export interface Known {
  readonly at: AsOf;
  readonly whole: boolean; // it holds all names, so what it lacks does not exist
  readonly hashes: number; // different ones
  find(type: Name['type'], hash: Uint8Array): Entry | null;
}

export function knownOfBundle(b: Bundle): Known {
  return {
    at: b.at, whole: true, hashes: b.hashes(),
    find: (type, hash) => {
      const e = b.find(type, hash);
      return e && { ...e, record: null };
    },
  };
}

export function knownOfRange(at: AsOf, width: number, records: ReadonlyMap<string, RangedRecord>, hashes: number): Known {
  return {
    at, whole: width === 0, hashes,
    find: (type, hash) => {
      const record = records.get(recordKey(type, hex(hash)));
      return record ? { sealed: record.sealed, expires: record.expires, record } : null;
    },
  };
}

export type Status = 'registered' | 'expiring' | 'expired' | 'needs_update';

/** What a record comes to in the block after the one that is known: as `ons.Record.Status` has it. */
export function statusOf(type: Name['type'], e: Entry, at: AsOf): Status {
  const next = at.height + 1;
  if (type === 'session' && !e.sealed.nonce) return 'needs_update';
  if (e.expires !== 0 && next > e.expires) return 'expired';
  if (e.expires !== 0 && e.expires - next <= yearBlocks(at.network) / 12) return 'expiring';
  return 'registered';
}
