/** The randomness that a seed stands for: math/rand/v2's PCG as `directory.Seeded` uses it, so that a choice made here is that of `onsight pick`. */
const low = (1n << 64n) - 1n;
const all = (1n << 128n) - 1n;
const factor = (2549297995355413924n << 64n) | 4865540595714422341n;
const step = (6364136223846793005n << 64n) | 1442695040888963407n;

export interface Random {
  /** A number from 0 up to, but not, 1. */
  float(): number;
  /** A whole number from 0 up to, but not, n. */
  below(n: number): number;
}

export function seeded(seed: bigint): Random {
  let state = (seed & low) << 64n;
  const next = (): bigint => {
    state = (state * factor + step) & all;
    let hi = state >> 64n;
    hi ^= hi >> 32n;
    hi = (hi * 0xda942042e4dd58b5n) & low;
    hi ^= hi >> 48n;
    return (hi * ((state & low) | 1n)) & low;
  };
  return {
    float: () => Number(next() & ((1n << 53n) - 1n)) / 2 ** 53,
    below(n) {
      const size = BigInt(n);
      if ((n & (n - 1)) === 0) return Number(next() & (size - 1n));
      let product = next() * size;
      const least = (1n << 64n) % size;
      while ((product & low) < least) product = next() * size;
      return Number(product >> 64n);
    },
  };
}

/** A seed that nobody can foresee. */
export function newSeed(): bigint {
  const [a, b] = crypto.getRandomValues(new Uint32Array(2));
  return (BigInt(a!) << 32n) | BigInt(b!);
}

/** Reads a seed: a number below 2^64; null if it is none. */
export function parseSeed(s: string): bigint | null {
  if (!/^\d{1,20}$/.test(s)) return null;
  const n = BigInt(s);
  return n <= low ? n : null;
}
