/** What the hops of a path share, and how often: `directory/audit.go` and `directory/path.go`. It asks nobody. */
import { network, traitOf, traits, works, type Trait } from './traits.js';
import type { Node } from './nodes.js';
import type { Random } from './random.js';

export const hops = 3;
const guardsAtATime = 2;

/** Something that two hops share. */
export interface Finding {
  readonly what: Trait;
  readonly value: string;
  readonly a: number; // hops, counted from 0
  readonly b: number;
}

export function audit(path: readonly Node[]): Finding[] {
  const found: Finding[] = [];
  for (const what of traits) {
    for (let b = 0; b < path.length; b++) {
      for (let a = 0; a < b; a++) {
        const value = traitOf(what, path[a]!);
        if (value !== '' && value === traitOf(what, path[b]!)) found.push({ what, value, a, b });
      }
    }
  }
  return found;
}

/** Whether a client can send through a node. */
const usable = (e: Node): boolean => works(e) && e.ip !== undefined && !!e.ports?.storage && e.ed25519 !== undefined && e.x25519 !== undefined;

/** The usable nodes by their /24. */
class Pool {
  readonly groups: number[][] = [];
  readonly nodes: number[] = []; // for each usable node the number of its group
  private readonly order: number[] = [];
  private readonly nets: string[];

  constructor(entries: readonly Node[]) {
    this.nets = entries.map((e) => network(e.ip, 24));
    const at = new Map<string, number>();
    entries.forEach((e, i) => {
      if (!usable(e)) return;
      const net = this.nets[i]!;
      let g = net === '' ? undefined : at.get(net);
      if (g === undefined) {
        g = this.groups.push([]) - 1;
        this.order.push(g);
        at.set(net, g);
      }
      this.groups[g]!.push(i);
      this.nodes.push(g);
    });
  }

  guards(rng: Random, n: number): number[] {
    const guards: number[] = [];
    const taken = new Set<number>();
    for (let left = this.nodes.length; guards.length < n && left > 0; left--) {
      const g = take(this.nodes, rng.below(left), left - 1);
      if (taken.has(g)) continue;
      taken.add(g);
      guards.push(one(rng, this.groups[g]!));
    }
    return guards;
  }

  inner(rng: Random, n: number, apart: readonly number[]): number[] {
    const nodes: number[] = [];
    for (let left = this.order.length; nodes.length < n && left > 0; left--) {
      const group = this.groups[take(this.order, rng.below(left), left - 1)]!;
      const first = group[0]!;
      if (!apart.some((a) => a === first || (this.nets[a] !== '' && this.nets[a] === this.nets[first]))) nodes.push(one(rng, group));
    }
    return nodes;
  }
}

const one = (rng: Random, list: readonly number[]): number => list[rng.below(list.length)]!;

/** Puts what stands at i to the end, and returns it. */
function take(list: number[], i: number, end: number): number {
  const v = list[i]!;
  list[i] = list[end]!;
  list[end] = v;
  return v;
}

export interface Shared {
  readonly what: Trait;
  any: number; // paths of which two hops share it
  all: number; // of which all do
  unknown: number; // of which it is not known of every hop
}

/** Draws paths as the official client does: two guards with a path each at a time. */
export class Simulation {
  paths = 0;
  readonly shared: readonly Shared[] = traits.map((what) => ({ what, any: 0, all: 0, unknown: 0 }));
  readonly nodes: number; // usable ones
  private readonly pool: Pool;
  private readonly values: readonly string[][];

  constructor(
    private readonly rng: Random,
    private readonly entries: readonly Node[],
  ) {
    this.pool = new Pool(entries);
    this.nodes = this.pool.nodes.length;
    this.values = traits.map((t) => entries.map((e) => traitOf(t, e)));
  }

  /** Draws until there are so many; false if the list is too small for any. */
  run(until: number): boolean {
    while (this.paths < until) {
      const drawn = this.draw();
      if (!drawn) return false;
      for (const path of drawn) if (this.paths < until) this.count(path);
    }
    return true;
  }

  /** One path, as nodes; null if the list is too small. */
  path(): Node[] | null {
    return this.draw()?.[0]?.map((i) => this.entries[i]!) ?? null;
  }

  private draw(): number[][] | null {
    const guards = this.pool.guards(this.rng, guardsAtATime);
    const inner = this.pool.inner(this.rng, guardsAtATime * (hops - 1), guards);
    if (guards.length < guardsAtATime || inner.length < guardsAtATime * (hops - 1)) return null;
    return guards.map((g, i) => [g, inner[2 * i]!, inner[2 * i + 1]!]);
  }

  private count(path: readonly number[]): void {
    this.paths++;
    this.values.forEach((v, i) => {
      const [a, b, c] = [v[path[0]!]!, v[path[1]!]!, v[path[2]!]!];
      const same = (x: string, y: string): boolean => x !== '' && x === y;
      const s = this.shared[i]!;
      if (same(a, b) || same(a, c) || same(b, c)) s.any++;
      if (same(a, b) && same(b, c)) s.all++;
      if (a === '' || b === '' || c === '') s.unknown++;
    });
  }
}

/** Finds the nodes that a text names, by key, Ed25519 key or address; null for a word that names none, or several. */
export function parseHops(text: string, entries: readonly Node[]): { word: string; entry: Node | null; several: boolean }[] {
  return text
    .split(/[\s,;→>]+/)
    .map((w) => w.trim().replace(/^https?:\/\//, '').replace(/\/.*$/, ''))
    .filter((w) => w !== '')
    .slice(0, 12)
    .map((word) => {
      const low = word.toLowerCase();
      const hex = /^[0-9a-f]{8,64}$/.test(low);
      const ip = low.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
      const found = entries.filter((e) => (hex && (e.key.startsWith(low) || e.ed25519?.startsWith(low))) || e.ip === ip);
      return { word, entry: found.length === 1 ? found[0]! : null, several: found.length > 1 };
    });
}
