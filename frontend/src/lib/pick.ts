/** Choosing nodes: `directory/pick.go`, draw by draw. Whoever has the list chooses alone, and nobody learns what was chosen. */
import { flawsOf, parseRange, score, traitOf, type Limits, type Trait } from './traits.js';
import type { Node } from './nodes.js';
import type { Random } from './random.js';

export const strategies = ['fast', 'diverse', 'random'] as const;
export type Strategy = (typeof strategies)[number];

export interface Rules extends Limits {
  readonly n: number;
  readonly strategy: Strategy;
  readonly mainnet: boolean; // never two of one /24, whatever the cost
  readonly avoidOperators: readonly string[];
  readonly avoidRanges: readonly string[];
  readonly avoidCountries: readonly string[];
  readonly avoidSystems: readonly number[];
}

/** What two chosen nodes do not share, in the order in which it is given up. */
export const apart = ['country', 'AS', 'operator', '/24'] as const satisfies readonly Trait[];
const equals = 0.52;
const balanceRounds = 2;

/** A good node at its place among the good. */
export interface Candidate {
  readonly entry: Node;
  readonly score: number;
  readonly shares: readonly number[]; // of apart, as numbers; 0: unknown, which nobody shares
  readonly tier: number;
  readonly weight: number;
}

export type Relaxed = { readonly shared: (typeof apart)[number] } | { readonly only: number };

function avoids(r: Rules): (e: Node) => boolean {
  const ranges = r.avoidRanges.map(parseRange).filter((x) => x !== null);
  return (e) =>
    r.avoidOperators.includes(e.operator ?? '') ||
    (e.country !== undefined && r.avoidCountries.includes(e.country)) ||
    (e.as !== undefined && r.avoidSystems.includes(e.as)) ||
    ranges.some((within) => within(e.ip ?? ''));
}

/** The usable nodes, ranked. */
export function goodOf(entries: readonly Node[], r: Rules): Candidate[] {
  const avoided = avoids(r);
  const numbers = apart.map(() => new Map([['', 0]]));
  const good = entries
    .filter((e) => flawsOf(e, r).length === 0 && !avoided(e))
    .map((entry) => {
      const shares = apart.map((what, i) => {
        const v = traitOf(what, entry);
        let n = numbers[i]!.get(v);
        if (n === undefined) numbers[i]!.set(v, (n = numbers[i]!.size));
        return n;
      });
      return { entry, score: score(entry), shares, tier: 0, weight: 0 };
    });
  const latency = (c: Candidate): number => c.entry.estimate?.p50 ?? 0;
  good.sort((a, b) => (r.strategy === 'fast' ? latency(a) - latency(b) : 0) || b.score - a.score || (a.entry.key < b.entry.key ? -1 : 1));
  const base = good.map((c, i) => {
    c.tier = Math.max((i + 0.5) / good.length, equals);
    c.weight = (1 - c.tier) * (1 - c.tier);
    return c.weight;
  });
  for (let round = 0; round < balanceRounds; round++) {
    const p = chances(good);
    const crowds = apart.map((_, i) => {
      const crowd = new Float64Array(good.length + 1);
      good.forEach((c, j) => {
        const n = c.shares[i]!;
        if (n !== 0) crowd[n]! += p[j]!;
      });
      return crowd;
    });
    good.forEach((c, j) => {
      const of = (i: number): number => crowds[i]![c.shares[i]!]!;
      const free = (1 - Math.max(of(0), of(1))) * (1 - Math.max(of(2), of(3)));
      let [open, left] = [0, 1];
      for (let k = 0; k < r.n; k++) [open, left] = [open + left / r.n, left * free];
      c.weight = base[j]! / open;
    });
  }
  return good;
}

/** How likely each is the first of a diverse choice. */
function chances(good: readonly { readonly tier: number; readonly weight: number }[]): number[] {
  const total = good.reduce((sum, c) => sum + c.weight, 0);
  const p = good.map(() => 0);
  let worse = total;
  for (let i = 0; i < good.length; ) {
    let [j, tier] = [i, 0];
    for (; j < good.length && good[j]!.tier === good[i]!.tier; j++) tier += good[j]!.weight;
    worse -= tier;
    for (; i < j; i++) p[i] = (good[i]!.weight * (tier + 2 * worse)) / (total * total);
  }
  return p;
}

function clashes(a: Candidate, b: Candidate, given: number): boolean {
  for (let i = given; i < apart.length; i++) if (a.shares[i] !== 0 && a.shares[i] === b.shares[i]) return true;
  return a === b;
}

function draw(rng: Random, pool: readonly Candidate[], strategy: Strategy): Candidate {
  if (strategy === 'fast') return pool[0]!;
  if (strategy === 'random') return pool[rng.below(pool.length)]!;
  const sums = new Float64Array(pool.length);
  let sum = 0;
  for (const [i, c] of pool.entries()) sums[i] = sum += c.weight;
  const one = (): Candidate => {
    const want = rng.float() * sum;
    let [from, to] = [0, pool.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (sums[middle]! < want) from = middle + 1;
      else to = middle;
    }
    return pool[Math.min(from, pool.length - 1)]!;
  };
  const [a, b] = [one(), one()];
  return b.tier < a.tier ? b : a;
}

/** Chooses among the good. Where there are too few apart, it gives up country, AS, operator and then, not on mainnet, the /24. */
export function pick(rng: Random, good: readonly Candidate[], r: Rules): { picked: Candidate[]; relaxed: Relaxed[] } {
  const picked: Candidate[] = [];
  let given = 0;
  let pool = good;
  while (picked.length < r.n && picked.length < good.length) {
    if (pool.length > 0) {
      const c = draw(rng, pool, r.strategy);
      picked.push(c);
      pool = pool.filter((o) => !clashes(c, o, given));
    } else if (given === apart.length || (given === apart.length - 1 && r.mainnet)) break;
    else {
      given++;
      pool = good.filter((c) => !picked.some((p) => clashes(p, c, given)));
    }
  }
  const relaxed: Relaxed[] = [];
  for (let i = 0; i < given; i++) {
    const known = picked.map((c) => c.shares[i]!).filter((n) => n !== 0);
    if (new Set(known).size < known.length) relaxed.push({ shared: apart[i]! });
  }
  if (picked.length < r.n) relaxed.push({ only: picked.length });
  return { picked, relaxed };
}

/** Many choices: how often each of the good is in one, and how fast the chosen are. */
export class Spread {
  rounds = 0;
  private readonly counts = new Map<string, number>();
  private sum = 0;
  private drawn = 0;

  constructor(
    private readonly rng: Random,
    private readonly good: readonly Candidate[],
    private readonly rules: Rules,
  ) {}

  draw(): void {
    this.rounds++;
    for (const { entry } of pick(this.rng, this.good, this.rules).picked) {
      this.counts.set(entry.key, (this.counts.get(entry.key) ?? 0) + 1);
      this.sum += entry.estimate?.p50 ?? 0;
      this.drawn++;
    }
  }

  shares(): Map<string, number> {
    return new Map(Array.from(this.counts, ([k, v]) => [k, v / this.rounds]));
  }

  get latency(): number {
    return this.drawn ? this.sum / this.drawn : 0;
  }
}
