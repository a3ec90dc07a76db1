/**
 * The list of service nodes, and questions to it in the grammar of /v1/nodes: `directory/query.go` and `filter.go`. So the address of a
 * page is a question that the API answers alike, and the list is gone through in the browser.
 */
import type { Schemas } from '../api/client.js';
import { unhex } from './bytes.js';
import { base32z } from './text.js';
import { parseRange } from './traits.js';

type Known<T> = { [F in keyof T]?: Exclude<T[F], null> };

/** A node of the list. What is not known is not there. */
export interface Node extends Omit<Known<Schemas['Node']>, 'key' | 'state' | 'credit' | 'estimate' | 'ports'> {
  readonly key: string;
  readonly state: NonNullable<Schemas['Node']['state']>;
  readonly credit: number;
  readonly ports?: Known<NonNullable<Schemas['Node']['ports']>>;
  readonly estimate?: { readonly tried: number; readonly lost: number; readonly p50?: number; readonly p95?: number; readonly at?: string };
}

export const states = ['awaiting', 'active', 'decommissioned', 'unlocking', 'gone'] as const;
export const reaches = ['up', 'down', 'unknown'] as const;

type Test = (n: Node, now: number) => boolean; // now in seconds

/** What is asked for. */
export interface Filter {
  readonly tests: readonly { readonly name: string; readonly holds: Test }[];
  readonly broken: readonly string[]; // parameters whose value cannot be read; they ask for nothing
  readonly unknown: readonly string[]; // what is no parameter here: last_seen_days, which the list does not tell, and what the API refuses
}

class Unreadable extends Error {}

function bounds<T>(s: string, parse: (s: string) => T | null): readonly [T | null, T | null] {
  const [low, high] = s.includes('..') ? [s.slice(0, s.indexOf('..')), s.slice(s.indexOf('..') + 2)] : [s, s];
  if (!low && !high) throw new Unreadable();
  const read = (part: string): T | null => {
    if (!part) return null;
    const v = parse(part);
    if (v === null) throw new Unreadable();
    return v;
  };
  return [read(low), read(high)];
}

/** A version as a number that orders it: 0 for unknown. */
export function versionOf(s: string | null | undefined): number | null {
  if (s == null || s === 'unknown') return 0;
  const parts = s.split('.');
  if (parts.length > 3 || parts.some((p) => !/^\d{1,5}$/.test(p) || Number(p) > 65_535)) return null;
  return parts.reduce((v, p, i) => v + Number(p) * 65_536 ** (2 - i), 0);
}

/** A duration as Go writes it, in seconds. */
export function parseDuration(s: string): number | null {
  const m = /^([+-]?)(.+)$/.exec(s);
  if (!m) return null;
  if (m[2] === '0') return 0;
  const units: Record<string, number> = { ns: 1e-9, us: 1e-6, 'µs': 1e-6, 'μs': 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };
  let sum = 0;
  let rest = m[2]!;
  while (rest) {
    const part = /^(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/.exec(rest);
    if (!part) return null;
    sum += Number(part[1]) * units[part[2]!]!;
    rest = rest.slice(part[0].length);
  }
  return m[1] === '-' ? -sum : sum;
}

const parseInteger = (s: string): number | null => (/^[+-]?\d{1,15}$/.test(s) ? Number(s) : null);

/** An IPv4 address as a number; null if it is none. */
export function ipOf(s: string | undefined): number | null {
  const parts = s?.split('.') ?? [];
  if (parts.length !== 4 || parts.some((p) => !/^(0|[1-9]\d{0,2})$/.test(p) || Number(p) > 255)) return null;
  return parts.reduce((n, p) => n * 256 + Number(p), 0);
}

const seconds = (s: string | null | undefined): number | null => (s ? Date.parse(s) / 1000 : null);

function versions(get: (n: Node) => string | undefined) {
  return (s: string): Test => {
    const [from, to] = bounds(s, versionOf);
    return (n) => {
      const v = versionOf(get(n)) ?? 0;
      if (v === 0) return from === 0 && to === 0; // nothing is known to be older than 2.8
      return (from === null || v >= from) && (to === null || v <= to);
    };
  };
}

function ranges(parse: (s: string) => number | null, get: (n: Node, now: number) => number | null) {
  return (s: string): Test => {
    const [from, to] = bounds(s, parse);
    return (n, now) => {
      const v = get(n, now);
      return v !== null && (from === null || v >= from) && (to === null || v <= to);
    };
  };
}

function oneOf<T extends string>(all: readonly T[], get: (n: Node) => T) {
  return (s: string): Test => {
    const want = all.find((one) => one === s);
    if (!want) throw new Unreadable();
    return (n) => get(n) === want;
  };
}

function address(holds: (n: Node, s: string) => boolean) {
  return (s: string): Test => {
    if (!s) throw new Unreadable();
    return (n) => holds(n, s);
  };
}

function swarm(s: string): Test {
  if (s === 'none') return (n) => n.swarm === undefined;
  if (!/^0*[0-9a-fA-F]{1,16}$/.test(s)) throw new Unreadable();
  const id = s.toLowerCase().replace(/^0+/, '').padStart(16, '0');
  return (n) => n.swarm === id;
}

function prefix(s: string): Test {
  if (s.includes('/')) {
    const within = parseRange(s);
    if (!within) throw new Unreadable();
    return (n) => within(n.ip ?? '');
  }
  const low = s.toLowerCase();
  if (!/^[0-9a-f]{1,64}$/.test(low)) throw new Unreadable();
  return (n) => n.key.startsWith(low);
}

function country(s: string): Test {
  if (s.length !== 2) throw new Unreadable();
  const code = s.toUpperCase();
  return (n) => (code === 'XZ' ? n.country === undefined : n.country === code);
}

function system(s: string): Test {
  const m = /^(?:as)?(\d{1,10})$/i.exec(s);
  if (!m || Number(m[1]) > 0xffff_ffff) throw new Unreadable();
  return (n) => (n.as ?? 0) === Number(m[1]);
}

const furthest = 1 << 20; // days

function days(get: (n: Node) => number | null) {
  return (s: string): Test => {
    const m = /^(\d{0,7})(-?)(\d{0,7})$/.exec(s);
    if (!m || s === '' || s === '-' || Number(m[1]) > furthest || Number(m[3]) > furthest) throw new Unreadable();
    const from = m[1] ? Number(m[1]) : 0;
    const to = m[2] ? (m[3] ? Number(m[3]) : Infinity) : from;
    return (n, now) => {
      const at = get(n);
      if (at === null) return false;
      const age = Math.trunc((now - at) / 86_400);
      return age >= from && age <= to;
    };
  };
}

const filters: Readonly<Record<string, (s: string) => Test>> = {
  state: oneOf(states, (n) => n.state),
  version: versions((n) => n.version),
  storage_version: versions((n) => n.storage_version),
  lokinet_version: versions((n) => n.lokinet_version),
  swarm,
  operator: address((n, s) => n.operator === s),
  contributor: address((n, s) => n.contributors?.some((c) => c.address === s) ?? false),
  prefix,
  country,
  as: system,
  first_seen_days: days((n) => seconds(n.first_seen?.time)),
  credit: ranges(parseInteger, (n) => n.credit),
  proof_age: ranges(parseDuration, (n, now) => (n.proof ? now - seconds(n.proof)! : null)),
  latency: ranges(parseDuration, (n) => n.latency ?? null),
  reachable: oneOf(reaches, (n) => n.reachable ?? 'unknown'),
};

/** Parameters that choose among nodes. */
export const filterNames: readonly string[] = [...Object.keys(filters), 'search'];

const addresses = new WeakMap<Node, string>();

/** Its name in lokinet, without .snode. */
function snode(n: Node): string {
  let s = addresses.get(n);
  if (s === undefined) addresses.set(n, (s = base32z(unhex(n.key) ?? new Uint8Array(32))));
  return s;
}

function word(w: string): Test {
  const low = w.toLowerCase();
  const name = low.replace(/\.(s(n(o(de?)?)?)?)?$/, '');
  return (n) =>
    n.key.startsWith(low) ||
    (n.ed25519?.startsWith(low) ?? false) ||
    (n.x25519?.startsWith(low) ?? false) ||
    (n.operator?.startsWith(w) ?? false) ||
    (n.ip?.startsWith(low) ?? false) ||
    (/^[13-9a-km-uw-z]+$/.test(name) && (name === low || name.length === 52) && snode(n).startsWith(name)) ||
    (n.place?.as_name?.toLowerCase().includes(low) ?? false);
}

/** Cuts at blanks, but not between quotes, which are left out. */
function split(s: string): string[] {
  const words = [];
  let [w, quoted, inside] = ['', false, false];
  for (const c of s) {
    if (c === '"') [quoted, inside] = [!quoted, true];
    else if (c === ' ' && !quoted) {
      if (inside) words.push(w);
      [w, inside] = ['', false];
    } else [w, inside] = [w + c, true];
  }
  if (quoted) throw new Unreadable();
  return inside ? [...words, w] : words;
}

function search(s: string): Test {
  const tests = split(s).map((w): Test => {
    const at = w.indexOf(':');
    const name = w.slice(0, Math.max(at, 0));
    if (at >= 0 && Object.hasOwn(filters, name)) return anyOf(filters[name]!, w.slice(at + 1));
    if (at >= 0 && /^[a-z_]*$/.test(name)) throw new Unreadable();
    return word(w);
  });
  return (n, now) => tests.every((t) => t(n, now));
}

function anyOf(parse: (s: string) => Test, value: string): Test {
  const tests = value.split(',').map(parse);
  return tests.length === 1 ? tests[0]! : (n, now) => tests.some((t) => t(n, now));
}

const shown = ['order', 'columns', 'fields', 'limit', 'offset']; // how the list is shown, here or by the API

/** Reads the parameters of an address. One that is given twice counts as it was given first. */
export function parseFilter(q: URLSearchParams): Filter {
  const tests: { name: string; holds: Test }[] = [];
  const broken: string[] = [];
  for (const name of filterNames) {
    const value = q.get(name);
    if (value === null) continue;
    try {
      tests.push({ name, holds: name === 'search' ? search(value) : anyOf(filters[name]!, value) });
    } catch (err) {
      if (!(err instanceof Unreadable)) throw err;
      broken.push(name);
    }
  }
  return { tests, broken, unknown: [...new Set(q.keys())].filter((name) => !filterNames.includes(name) && !shown.includes(name)) };
}

/** What nodes are counted by beside the list. */
export const facets = ['state', 'reachable', 'version', 'storage_version', 'lokinet_version', 'country', 'as', 'swarm', 'operator'] as const;
export type Facet = (typeof facets)[number];

/** The value of a node, as the parameter of that name takes it. */
export function facetOf(n: Node, f: Facet): string {
  switch (f) {
    case 'state':
      return n.state;
    case 'reachable':
      return n.reachable ?? 'unknown';
    case 'country':
      return n.country ?? 'xz';
    case 'as':
      return String(n.as ?? 0);
    case 'swarm':
      return n.swarm ?? 'none';
    case 'operator':
      return n.operator ?? '';
  }
  return n[f] ?? 'unknown';
}

export interface Found {
  readonly nodes: Node[];
  readonly counts: Readonly<Record<Facet, ReadonlyMap<string, number>>>; // of what would be found without the filter of that name
}

/** Answers a question. Counts are of nodes that fail in nothing but what they count by, so they say what a choice would lead to. */
export function find(all: readonly Node[], filter: Filter, now: number): Found {
  const found: Node[] = [];
  const counts = Object.fromEntries(facets.map((f) => [f, new Map<string, number>()])) as Record<Facet, Map<string, number>>;
  const count = (f: Facet, n: Node): void => {
    const value = facetOf(n, f);
    if (value) counts[f].set(value, (counts[f].get(value) ?? 0) + 1);
  };
  for (const n of all) {
    let failed: string | null = null;
    let fails = 0;
    for (const t of filter.tests) {
      if (t.holds(n, now)) continue;
      failed = t.name;
      if (++fails > 1) break;
    }
    if (fails === 0) {
      found.push(n);
      for (const f of facets) count(f, n);
    } else if (fails === 1 && (facets as readonly string[]).includes(failed!)) count(failed as Facet, n);
  }
  return { nodes: found, counts };
}

type Value = number | string | null;

const orders: Readonly<Record<string, (n: Node) => Value>> = {
  key: (n) => n.key,
  state: (n) => states.indexOf(n.state),
  version: (n) => versionOf(n.version) || null,
  storage_version: (n) => versionOf(n.storage_version) || null,
  lokinet_version: (n) => versionOf(n.lokinet_version) || null,
  swarm: (n) => n.swarm ?? null,
  operator: (n) => n.operator ?? null,
  operator_fee: (n) => (n.operator_fee ?? '').padStart(20, '0'),
  stake: (n) => (n.stake ?? '').padStart(20, '0'),
  ip: (n) => ipOf(n.ip),
  country: (n) => n.country ?? null,
  as: (n) => n.as ?? null,
  credit: (n) => n.credit,
  decommissions: (n) => n.decommissions ?? 0,
  registered: (n) => n.registered ?? 0,
  since: (n) => n.since ?? 0,
  first_seen: (n) => seconds(n.first_seen?.time) ?? 0,
  last_reward: (n) => n.last_reward?.height ?? 0,
  proof: (n) => seconds(n.proof),
  latency: (n) => n.latency ?? null,
  loss: (n) => n.loss ?? null,
  // The API orders by the words as well: "up" is the greatest, as in Go.
  reachable: (n) => (n.reachable === 'up' || n.reachable === 'down' ? n.reachable : null),
};

export const orderable = (name: string): boolean => Object.hasOwn(orders, name);

/** Sorts as `order` says: fields with - before those that descend; what is unknown comes last, ties are by key. */
export function sort(nodes: readonly Node[], order: string): Node[] {
  const by = order.split(',').flatMap((o) => {
    const name = o.replace(/^-/, '');
    return orderable(name) ? [{ get: orders[name]!, sign: o.startsWith('-') ? -1 : 1 }] : [];
  });
  const rows = nodes.map((n) => ({ n, values: by.map((b) => b.get(n)) }));
  rows.sort((a, b) => {
    for (const [i, { sign }] of by.entries()) {
      const [x, y] = [a.values[i]!, b.values[i]!];
      if (x === y) continue;
      if (x === null) return 1;
      if (y === null) return -1;
      return x < y ? -sign : sign;
    }
    return a.n.key < b.n.key ? -1 : 1;
  });
  return rows.map((r) => r.n);
}
