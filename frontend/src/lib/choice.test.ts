import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { concentration, network, parseIP, parseRange } from './traits.js';
import type { Node } from './nodes.js';
import { audit, parseHops, Simulation } from './paths.js';
import { goodOf, pick, Spread, type Rules, type Strategy } from './pick.js';
import { parseSeed, seeded } from './random.js';
import { choose, position } from './swarm.js';

const read = <T>(path: string): T => JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')) as T;

const v = read<{
  nodes: Node[];
  picks: { seed: string; n: number; strategy: Strategy; mainnet: boolean; max_latency: number; min_credit: number; avoid_operators: string[] | null; avoid_prefixes: string[] | null; avoid_countries: string[] | null; avoid_as: number[] | null; picked: string[]; relaxed: number }[];
  paths: { seed: number; paths: number; nodes: number; shared: { What: string; Any: number; All: number; Unknown: number }[] }[];
  audit: { hops: string[]; found: { What: string; Value: string; A: number; B: number }[] }[];
  even: { sizes: number[]; hhi: number; gini: number; nakamoto: number }[];
}>('directory/testdata/choice.json');
const byKey = new Map(v.nodes.map((n) => [n.key, n]));
const rules: Rules = { n: 3, strategy: 'diverse', mainnet: false, maxLatency: 0, minCredit: 0, avoidOperators: [], avoidRanges: [], avoidCountries: [], avoidSystems: [] };

test('chooses as Go does', () => {
  expect(v.picks.length).toBeGreaterThan(50);
  for (const p of v.picks) {
    const r: Rules = { ...rules, n: p.n, strategy: p.strategy, mainnet: p.mainnet, maxLatency: p.max_latency, minCredit: p.min_credit, avoidOperators: p.avoid_operators ?? [], avoidRanges: p.avoid_prefixes ?? [], avoidCountries: p.avoid_countries ?? [], avoidSystems: p.avoid_as ?? [] };
    const { picked, relaxed } = pick(seeded(BigInt(p.seed)), goodOf(v.nodes, r), r);
    expect(picked.map((c) => c.entry.key), `seed ${p.seed}, ${p.strategy}`).toEqual(p.picked);
    expect(relaxed.length, p.seed).toBe(p.relaxed);
  }
});

test('draws paths as Go does', () => {
  for (const p of v.paths) {
    const s = new Simulation(seeded(BigInt(p.seed)), v.nodes.filter((n) => n.state !== 'gone'));
    s.run(p.paths);
    expect(s.nodes).toBe(p.nodes);
    expect(s.shared.map(({ what, any, all, unknown }) => [what, any, all, unknown])).toEqual(p.shared.map((x) => [x.What, x.Any, x.All, x.Unknown]));
  }
});

test('finds in paths what Go finds', () => {
  for (const a of v.audit) {
    const found = audit(a.hops.map((k) => byKey.get(k)!));
    expect(found.map((f) => [f.what, f.value, f.a, f.b])).toEqual(a.found.map((f) => [f.What, f.Value, f.A, f.B]));
  }
});

test('counts concentration as Go does', () => {
  for (const e of v.even) {
    const got = concentration(e.sizes);
    expect(got.nakamoto).toBe(e.nakamoto);
    expect(got.hhi).toBeCloseTo(e.hhi, 12);
    expect(got.gini).toBeCloseTo(e.gini, 12);
  }
});

test('finds the swarm that Session finds', () => {
  // Ids of swarms are numbers above 2^53 there: as text they stay what they are.
  const text = readFileSync(new URL('../../../internal/onion/testdata/messaging.json', import.meta.url), 'utf8').replace(/\b(\d{16,20})\b(?=\s*[,\]}])/g, '"$1"');
  const { C_storage: s } = JSON.parse(text) as {
    C_storage: { swarm_space: { pubkey: string; position_hex: string }[]; swarm_choice: { swarm_ids: (number | string)[]; cases: { position_hex: string; swarm_id: number | string }[] } };
  };
  for (const p of s.swarm_space) expect(position(p.pubkey)?.toString(16).padStart(16, '0')).toBe(p.position_hex);
  const id = (n: number | string): string => BigInt(n).toString(16).padStart(16, '0');
  for (const c of s.swarm_choice.cases) expect(choose(s.swarm_choice.swarm_ids.map(id), BigInt(`0x${c.position_hex}`))).toBe(id(c.swarm_id));
  expect(s.swarm_space.length * s.swarm_choice.cases.length).toBeGreaterThan(0);
  expect(choose([], 7n)).toBeNull();
  expect(position('05abc')).toBeNull();
});

test('addresses and their networks', () => {
  expect(parseIP('::1')?.length).toBe(16);
  for (const bad of ['', '1.2.3', '1.2.3.256', '1::2::3', ':', '1:2:3', 'g::', '1:2:3:4:5:6:7:8:9']) expect(parseIP(bad), bad).toBeNull();
  expect(network('10.1.2.3', 24)).toBe('10.1.2.0/24');
  expect(network('127.0.0.1', 16)).toBe('');
  expect(parseRange('10.0.0.0/9')?.('10.127.1.1')).toBe(true);
  expect(parseRange('10.0.0.0/9')?.('10.128.1.1')).toBe(false);
  for (const bad of ['10.0.0.0', '10.0.0.0/33', '/8', '10.0.0.0/8/8']) expect(parseRange(bad), bad).toBeNull();
  expect(parseSeed('18446744073709551616')).toBeNull();
  expect(parseSeed('18446744073709551615')).toBe(2n ** 64n - 1n);
});

test('privacy is bought with speed', () => {
  const of = (strategy: Strategy): { most: number; latency: number } => {
    const r = { ...rules, strategy };
    const s = new Spread(seeded(1n), goodOf(v.nodes, r), r);
    while (s.rounds < 300) s.draw();
    return { most: Math.max(...s.shares().values()), latency: s.latency };
  };
  const [fast, diverse, random] = [of('fast'), of('diverse'), of('random')];
  expect(fast.most).toBe(1);
  expect(fast.latency).toBeLessThan(diverse.latency);
  expect(diverse.latency).toBeLessThan(random.latency);
  expect(diverse.most).toBeLessThan(0.5);
});

test('a word that fits several nodes is not one that fits none', () => {
  const [a, b] = [v.nodes[0]!, v.nodes[1]!].map((n, i) => ({ ...n, key: `abcdef01${String(i).repeat(56)}` }));
  expect(parseHops('abcdef01 abcdef010 abcdef019', [a!, b!]).map((h) => [h.entry?.key[8], h.several])).toEqual([[undefined, true], ['0', false], [undefined, false]]);
});

test('hops are found by key, Ed25519 key and address', () => {
  const n = v.nodes.find((e) => e.state === 'active' && e.ip?.startsWith('1'))!;
  expect(parseHops(`${n.key} → ${n.ed25519}, https://${n.ip}:22021/ nonsense`, v.nodes).map((h) => h.entry?.key)).toEqual([n.key, n.key, n.key, undefined]);
});
