/** What service nodes have in common, and how good they are: `directory/audit.go`, `directory/score.go`. */
import type { Node } from './nodes.js';

/** Parses an address into its 4 or 16 bytes; null if it is none. */
export function parseIP(s: string): number[] | null {
  const four = /^\d{1,3}(\.\d{1,3}){3}$/.test(s) ? s.split('.') : null;
  if (four) {
    if (four.some((part) => part.length > 1 && part.startsWith('0'))) return null; // may be meant as octal
    const b = four.map(Number);
    return b.every((x) => x < 256) ? b : null;
  }
  if (!/^[0-9a-fA-F:]+$/.test(s) || !s.includes(':')) return null;
  const [head, tail, more] = s.split('::');
  if (more !== undefined) return null;
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : []);
  const left = groups(head);
  const right = groups(tail);
  const gap = 8 - left.length - right.length;
  if (tail === undefined ? gap !== 0 : gap < 1) return null;
  const list = [...left, ...Array.from({ length: gap }, () => '0'), ...right];
  if (list.some((g) => !/^[0-9a-fA-F]{1,4}$/.test(g))) return null;
  return list.flatMap((g) => [parseInt(g, 16) >> 8, parseInt(g, 16) & 255]);
}

function masked(b: readonly number[], bits: number): number[] {
  return b.map((x, i) => x & (0xff << Math.max(0, Math.min(8, 8 * (i + 1) - bits))) & 0xff);
}

/** One address that a test network may have all its nodes on: it stands for many networks. */
const stands = (ip: string): boolean => ip === '127.0.0.1' || ip === '::1';

/** The network of so many bits that an address is in, of an IPv6 address twice as many; "" if it is unknown or stands for many. */
export function network(ip: string | undefined, bits: number): string {
  const b = ip === undefined || stands(ip) ? null : parseIP(ip);
  if (!b) return '';
  if (b.length === 4) return `${masked(b, bits).join('.')}/${bits}`;
  const m = masked(b, 2 * bits);
  const groups = Array.from({ length: bits / 8 }, (_, i) => (m[2 * i]! << 8) | m[2 * i + 1]!);
  while (groups.at(-1) === 0) groups.pop();
  return `${groups.map((g) => g.toString(16)).join(':')}::/${2 * bits}`;
}

/** Parses a range of addresses, as 10.0.0.0/8, into a test; null if it is none. */
export function parseRange(s: string): ((ip: string) => boolean) | null {
  const [address, digits, more] = s.split('/');
  const base = parseIP(address ?? '');
  if (!base || more !== undefined || !/^(0|[1-9]\d{0,2})$/.test(digits ?? '')) return null;
  const bits = Number(digits);
  if (bits > base.length * 8) return null;
  const want = masked(base, bits).join();
  return (ip) => {
    const b = parseIP(ip);
    return b !== null && b.length === base.length && masked(b, bits).join() === want;
  };
}

export const traits = ['operator', '/24', '/16', 'AS', 'country', 'version'] as const;
export type Trait = (typeof traits)[number];

/** What a node has of a trait; "" is unknown, which nothing shares. */
export function traitOf(what: Trait, e: Node): string {
  switch (what) {
    case 'operator':
      return e.operator ?? '';
    case '/24':
      return network(e.ip, 24);
    case '/16':
      return network(e.ip, 16);
    case 'AS':
      return e.as ? `AS${e.as}` : '';
    case 'country':
      return e.country ?? '';
    case 'version':
      return e.storage_version ?? ''; // of the storage server, which is what a hop is
  }
}

/** Whether a node works now; one that is unlocking does until it leaves. */
export const works = (e: Node): boolean => e.state === 'active' || e.state === 'unlocking';

/** A duration in whole nanoseconds, as Go has it, so that both order nodes alike. */
const nano = (seconds: number | undefined): number => Math.round((seconds ?? 0) * 1e6) * 1000;
const halfLatency = 1e8;
const dayBlocks = 720;

export const weights = { latency: 0.7, success: 0.15, steadiness: 0.1, credit: 0.05 } as const;
export type Term = keyof typeof weights;

const worth = (d: number): number => halfLatency / (halfLatency + Math.max(d, 0));

/** What a score is made of: each from 0 to 1, 1 is best. What is not known counts as 0. */
export function terms(e: Node): Record<Term, number> {
  const est = e.estimate;
  const p50 = nano(est?.p50);
  return {
    latency: p50 > 0 ? worth(p50) : 0,
    success: est && est.tried > 0 ? 1 - est.lost / est.tried : 0,
    steadiness: p50 > 0 ? worth(nano(est?.p95) - p50) : 0,
    credit: Math.min(1, Math.max(0, e.credit / dayBlocks)),
  };
}

export function score(e: Node): number {
  const t = terms(e);
  return t.latency * weights.latency + t.success * weights.success + t.steadiness * weights.steadiness + t.credit * weights.credit;
}

export const flaws = ['inactive', 'nowhere', 'down', 'untried', 'poor', 'unmeasured', 'slow'] as const;
export type Flaw = (typeof flaws)[number];

export interface Limits {
  readonly maxLatency: number; // seconds, for half of the answers; 0: 0.5
  readonly minCredit: number; // blocks; 0: 60
}

/** What speaks against using a node; nothing if it is good. */
export function flawsOf(e: Node, l: Limits): Flaw[] {
  const p50 = nano(e.estimate?.p50);
  const has: Record<Flaw, boolean> = {
    inactive: e.state !== 'active',
    nowhere: e.ip === undefined,
    down: e.reachable === 'down',
    untried: e.reachable !== 'down' && e.reachable !== 'up',
    poor: e.credit < (l.minCredit || 60),
    unmeasured: p50 === 0,
    slow: p50 > nano(l.maxLatency > 0 ? l.maxLatency : 0.5),
  };
  return flaws.filter((f) => has[f]);
}

/** How concentrated sizes are, the largest first: `directory/aggregate.go`. */
export function concentration(sizes: readonly number[]): { hhi: number; gini: number; nakamoto: number } {
  const total = sizes.reduce((a, b) => a + b, 0);
  let [hhi, gini, nakamoto, sum] = [0, 0, 0, 0];
  const n = sizes.length;
  for (const [i, size] of sizes.entries()) {
    const share = size / total;
    hhi += share * share;
    gini += (share * (n - 1 - 2 * i)) / n;
    if (2 * sum <= total) nakamoto++;
    sum += size;
  }
  return { hhi, gini: Math.max(0, gini), nakamoto }; // rounding takes it a little below
}
