/** Ranges of hashes as a server gives them. */
import { firstBits, leastHashes, RefusedError } from './bits.js';
import { hex, unhex } from './bytes.js';
import { parseHash } from './hash.js';
import type { Type } from './name.js';
import { parseSealed, type Sealed } from './value.js';

/** A record as ranges have it. */
export interface RangedRecord {
  readonly type: Type;
  readonly hash: string;
  readonly sealed: Sealed;
  readonly owner: string;
  readonly backup: string | null;
  readonly registered: number;
  readonly registeredAt: number | null; // Unix seconds of that block; null: the server does not know
  readonly updated: number;
  readonly updatedAt: number | null;
  readonly expires: number;
  readonly txid: string;
}

/** An entry of a name's history: the transaction, and the record after it. */
export interface PastRecord extends RangedRecord {
  readonly kind: 'buy' | 'update' | 'renew';
}

/** A record as the API writes it in a range; only what is read of it. */
interface Row {
  readonly type: Type;
  readonly name_hash: string;
  readonly encrypted_value: string;
  readonly nonce: string | null;
  readonly owner: string;
  readonly backup_owner: string | null;
  readonly register_height: number;
  readonly registered_at: string | null;
  readonly update_height: number;
  readonly updated_at: string | null;
  readonly expiration_height: number | null;
  readonly txid: string;
}

const seconds = (time: string | null | undefined): number | null => (time && Number.isFinite(Date.parse(time)) ? Date.parse(time) / 1000 : null);

/** Reads the rows of a range. Throws RefusedError for those of another range, and a range that holds too few different hashes. */
function readRows(rows: readonly Row[], width: number, number: number): { records: RangedRecord[]; hashes: number } {
  const hashes = new Set<string>();
  const records = rows.map((r) => {
    const hash = parseHash(r.name_hash);
    if (!hash || firstBits(hash, width) !== number) throw new RefusedError('gives names of another range');
    const text = hex(hash);
    hashes.add(text);
    const value = unhex(r.encrypted_value + (r.nonce ?? ''));
    const sealed = value && parseSealed(r.type, value);
    if (!sealed) throw new RefusedError('gives a value that no name can have');
    return {
      type: r.type, hash: text, sealed, owner: r.owner, backup: r.backup_owner,
      registered: r.register_height, registeredAt: seconds(r.registered_at), updated: r.update_height, updatedAt: seconds(r.updated_at), expires: r.expiration_height ?? 0, txid: r.txid,
    };
  });
  if (width > 0 && hashes.size < leastHashes) throw new RefusedError(`gives a range of ${hashes.size} names`);
  return { records, hashes: hashes.size };
}

/** The newest records of a range by recordKey, and how many different hashes they have. Throws as readRows does. */
export function readRange(rows: readonly Row[], width: number, number: number): { records: Map<string, RangedRecord>; hashes: number } {
  const { records, hashes } = readRows(rows, width, number);
  return { records: new Map(records.map((r) => [recordKey(r.type, r.hash), r])), hashes };
}

/** What happened to the names of some hashes, oldest first. Throws as readRows does. */
export function readHistory(rows: readonly (Row & { readonly kind: PastRecord['kind'] })[], width: number, number: number, hashes: readonly string[]): PastRecord[] {
  return readRows(rows, width, number).records.flatMap((r, i) => (hashes.includes(r.hash) ? [{ ...r, kind: rows[i]!.kind }] : []));
}

/** What differs if anything happened to a name of a range: its history is asked for again then, whichever name is meant. */
export function changesOf(records: ReadonlyMap<string, RangedRecord>): string {
  return [...records.values()].map((r) => `${r.type} ${r.hash} ${r.txid} ${r.registered} ${r.updated} ${r.expires}`).join();
}

export const recordKey = (type: Type, hash: string): string => `${type} ${hash}`;
