/**
 * How many bits of a hash are sent, and when a server is refused: the rules of `onsight resolve --server`. Who asks for all names whose hashes
 * begin with the same bits does not say which of them is meant, if only there are enough of them. Needs no cryptography.
 */
export const leastHashes = 64; // different ones that a range must hold, else it is as good as the hash
const meantHashes = 128; // that one should hold on average: counts of names are divided by this
export const mostBits = 8; // of a hash that are ever sent

/**
 * How many different hashes of names mainnet had when this was made: set with each release, as shippedNames of cmd/onsight. 0: there was none
 * yet, and no published source has a number. Names are never deleted, so an old one only makes ranges larger.
 */
export const shippedNames = 0;

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

/** How many names share so many bits, at the least that is said of their number: the server's word alone is none. */
export function namesAmong(o: Offer, elsewhere: number, bits: number): number {
  return Math.floor(Math.min(o.hashes, elsewhere) / (1 << bits));
}

/** What keeps the most bits that were ever sent for a network: localStorage, as a number and nothing else. */
export interface Memory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const bitsKey = (network: string): string => `onsight.bits.${network}`;

/** How many bits would be sent: as many as are allowed, but no more than ever before, or than the visitor agreed to. It keeps nothing. */
export function bitsToSend(memory: Memory, network: string, allowed: number, agreed = 0): number {
  try {
    const before = memory.getItem(bitsKey(network));
    if (before === null) return allowed;
    return Math.min(allowed, Math.max(agreed, /^[0-8]$/.test(before) ? Number(before) : 0));
  } catch {
    return 0;
  }
}

/** Returns how many bits to send. The most is kept before it is sent; where it cannot be kept, none are. */
export function rememberBits(memory: Memory, network: string, allowed: number, agreed = 0): number {
  const bits = bitsToSend(memory, network, allowed, agreed);
  const key = bitsKey(network);
  try {
    const before = memory.getItem(key);
    if (before !== null && bits <= Number(before)) return bits;
    memory.setItem(key, String(bits));
    return memory.getItem(key) === String(bits) ? bits : 0;
  } catch {
    return 0;
  }
}

/** The first bits of a hash as a number. */
export function firstBits(hash: Uint8Array, width: number): number {
  return hash[0]! >> (8 - width);
}
