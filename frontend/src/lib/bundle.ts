/** The registry after one block, for looking names up without asking: the bytes of `ons/bundle.go`, where they are drawn. */
import { blake2b } from '@noble/hashes/blake2.js';
import { compare, concat, equal, hex } from './bytes.js';
import { findRow, firstRow } from './hash.js';
import { types, type Type } from './name.js';
import { networks } from './network.js';
import { parseSealed, storedSize, type Sealed } from './value.js';

const bundleMagic = 'onsbndl1';
const deltaMagic = 'onsdlta1';
const digestSize = 32;
const valueSizes = { session: 73, wallet: 113, lokinet: 72 } as const;

const rowSize = (t: Type): number => 33 + valueSizes[t] + (t === 'lokinet' ? 8 : 0);

/** The block that a bundle is true of. */
export interface Point {
  readonly network: string;
  readonly height: number;
  readonly hash: string;
  readonly time: number; // Unix seconds
}

/** Says that bytes are no bundle or no delta, are damaged, or that a delta is for another bundle. */
export class BundleError extends Error {}

export interface Entry {
  readonly sealed: Sealed;
  readonly expires: number; // last height at which it lives; 0: for ever
}

export class Bundle {
  private counted: number | null = null;

  private constructor(
    readonly at: Point,
    readonly bytes: Uint8Array,
    private readonly rows: readonly Uint8Array[],
  ) {}

  /** Reads a bundle, which keeps b. It checks the digest and every row, so that damage anywhere is an error. */
  static parse(b: Uint8Array): Bundle {
    if (b.length < bundleMagic.length + digestSize || !begins(b, bundleMagic)) throw new BundleError('does not begin like a bundle');
    const body = b.subarray(0, -digestSize);
    if (!equal(blake2b(body, { dkLen: digestSize }), b.subarray(-digestSize))) throw new BundleError('damaged: its digest is another');
    const r = new Reader(body.subarray(bundleMagic.length));
    const at = r.point();
    const counts = types.map(() => r.uint32());
    const rows = types.map((t, i) => r.next(counts[i]! * rowSize(t)));
    r.end();
    types.forEach((t, i) => checkRows(t, rows[i]!));
    return new Bundle(at, b, rows);
  }

  digest(): string {
    return hex(this.bytes.subarray(-digestSize));
  }

  /** How many names it has, expired ones included. */
  names(): number {
    return types.reduce((n, t, i) => n + this.rows[i]!.length / rowSize(t), 0);
  }

  /** How many different hashes it has: a name that is registered as two types counts once. */
  hashes(): number {
    this.counted ??= countHashes(this.rows);
    return this.counted;
  }

  /** Returns the newest record of a name, whether or not it still lives; null if the chain never heard of it. */
  find(t: Type, hash: Uint8Array): Entry | null {
    const rows = this.rows[types.indexOf(t)]!;
    const size = rowSize(t);
    const i = findRow(rows, size, hash);
    if (i < 0) return null;
    const row = rows.subarray(i * size, (i + 1) * size);
    const expires = t === 'lokinet' ? Number(view(row).getBigUint64(size - 8, true)) : 0;
    return { sealed: parseSealed(t, row.subarray(33, 33 + row[32]!))!, expires };
  }

  /** Returns the bundle that a delta makes of this one, equal in every byte to one made afresh. */
  apply(delta: Uint8Array): Bundle {
    if (!isDelta(delta)) throw new BundleError('not a delta');
    const r = new Reader(delta.subarray(deltaMagic.length));
    const start = r.at;
    const at = r.point();
    const point = delta.subarray(deltaMagic.length + start, deltaMagic.length + r.at);
    const from = hex(r.next(32));
    const digest = r.next(digestSize);
    if (from !== this.at.hash || at.network !== this.at.network) throw new BundleError('a delta for another bundle');
    const counts = types.map(() => [r.uint32(), r.uint32()] as const);
    const changes = types.map((t, i) => {
      const [put, drop] = counts[i]!;
      return { put: r.next(put * rowSize(t)), drop: r.next(drop * 32) };
    });
    r.end();
    const nothing = counts.every(([put, drop]) => put === 0 && drop === 0);
    if (nothing && at.hash === this.at.hash && at.height === this.at.height && hex(digest) === this.digest()) return this;
    const rows = types.map((t, i) => {
      checkRows(t, changes[i]!.put); // the others were checked, and merging keeps the order
      return merged(this.rows[i]!, changes[i]!.put, changes[i]!.drop, rowSize(t));
    });
    const head = new Uint8Array(12);
    types.forEach((t, i) => view(head).setUint32(4 * i, rows[i]!.length / rowSize(t), true));
    const body = concat(new TextEncoder().encode(bundleMagic), point, head, ...rows);
    // Hashing is what takes long: once, for it is the digest that the delta promises.
    if (!equal(blake2b(body, { dkLen: digestSize }), digest)) throw new BundleError('the delta makes another bundle than it should');
    return new Bundle(at, concat(body, digest), rows);
  }
}

export function isDelta(b: Uint8Array): boolean {
  return begins(b, deltaMagic);
}

function begins(b: Uint8Array, magic: string): boolean {
  return String.fromCharCode(...b.subarray(0, magic.length)) === magic;
}

function view(b: Uint8Array): DataView {
  return new DataView(b.buffer, b.byteOffset, b.byteLength);
}

function checkRows(t: Type, rows: Uint8Array): void {
  const size = rowSize(t);
  for (let at = 0; at < rows.length; at += size) {
    const n = rows[at + 32]!;
    if (at > 0 && compare(rows.subarray(at - size, at - size + 32), rows.subarray(at, at + 32)) >= 0) {
      throw new BundleError('rows are not in order of hash');
    }
    if (n > valueSizes[t] || !storedSize(t, n)) throw new BundleError(`a ${t} value of ${n} bytes`);
    if (rows.subarray(at + 33 + n, at + 33 + valueSizes[t]).some((x) => x !== 0)) throw new BundleError('bytes behind a value');
  }
}

/** Counts the different hashes of several lists of rows, each in order of hash. */
function countHashes(lists: readonly Uint8Array[]): number {
  const at = lists.map(() => 0);
  const hash = (i: number): Uint8Array | null => (at[i]! < lists[i]!.length ? lists[i]!.subarray(at[i]!, at[i]! + 32) : null);
  let n = 0;
  for (;;) {
    let least: Uint8Array | null = null;
    for (const i of lists.keys()) {
      const h = hash(i);
      if (h && (!least || compare(h, least) < 0)) least = h;
    }
    if (!least) return n;
    n++;
    for (const [i, t] of types.entries()) {
      const h = hash(i);
      if (h && equal(h, least)) at[i]! += rowSize(t);
    }
  }
}

/** Returns rows with those of put in the place of their likes, and without those of drop. What stays is taken over in one piece. */
function merged(rows: Uint8Array, put: Uint8Array, drop: Uint8Array, size: number): Uint8Array {
  if (put.length === 0 && drop.length === 0) return rows;
  const out: Uint8Array[] = [];
  let from = 0; // of what stays
  let d = 0;
  const end = (at: number): void => void out.push(rows.subarray(from, at));
  const hashAt = (b: Uint8Array, at: number): Uint8Array => b.subarray(at, at + 32);
  let p = 0;
  while (p < put.length || d < drop.length) {
    const isPut = p < put.length && (d >= drop.length || compare(hashAt(put, p), hashAt(drop, d)) <= 0);
    const hash = isPut ? hashAt(put, p) : hashAt(drop, d);
    const at = Math.max(from, firstRow(rows, size, hash) * size);
    end(at);
    from = at < rows.length && equal(hashAt(rows, at), hash) ? at + size : at;
    if (isPut) {
      out.push(put.subarray(p, p + size));
      p += size;
    } else d += 32;
  }
  end(rows.length);
  return concat(...out);
}

/** Reads from the front; what is too short is an error. */
class Reader {
  at = 0;
  constructor(private readonly b: Uint8Array) {}

  next(n: number): Uint8Array {
    if (this.at + n > this.b.length) throw new BundleError('its length is not what it says');
    this.at += n;
    return this.b.subarray(this.at - n, this.at);
  }

  end(): void {
    if (this.at !== this.b.length) throw new BundleError('its length is not what it says');
  }

  uint32(): number {
    return view(this.next(4)).getUint32(0, true);
  }

  uint64(): number {
    return Number(view(this.next(8)).getBigUint64(0, true));
  }

  point(): Point {
    const network = new TextDecoder().decode(this.next(this.next(1)[0]!));
    if (!networks.includes(network)) throw new BundleError('unknown network');
    return { network, height: this.uint64(), hash: hex(this.next(32)), time: this.uint64() };
  }
}
