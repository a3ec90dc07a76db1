import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { find, ipOf, parseDuration, parseFilter, sort, versionOf, type Node } from './nodes.js';

const now = Date.parse('2026-11-22T12:00:00Z') / 1000;
const made = (digit: string, more: Partial<Node> = {}): Node => ({ key: digit.repeat(64), state: 'active', credit: 100, stake: '5', ...more });
const a = made('a', { latency: 0.02, version: '11.2.0', reachable: 'up', ip: '10.0.0.1', proof: '2026-11-22T11:30:00Z', swarm: '00000000000000ff', operator: 'Lone' });
const b = made('b', { latency: 0.3, version: '11.1.3', reachable: 'down', ip: '10.0.1.1', state: 'decommissioned', credit: -3, operator: 'Lone' });
const c = made('c', { state: 'awaiting', operator: 'Ltwo', country: 'DE', as: 24940, place: { as_name: 'Hetzner Online' }, first_seen: { height: 1, time: '2026-11-19T11:00:00Z' } });
const all = [a, b, c];

const keys = (query: string): string =>
  find(all, parseFilter(new URLSearchParams(query)), now)
    .nodes.map((n) => n.key[0])
    .join('');

test.each([
  ['', 'abc'],
  ['state=active', 'a'],
  ['state=active,awaiting', 'ac'],
  ['version=11.2', 'a'],
  ['version=11..', 'ab'],
  ['version=..11.2', 'ab'],
  ['version=unknown', 'c'],
  ['swarm=ff', 'a'],
  ['swarm=none', 'bc'],
  ['operator=Lone', 'ab'],
  ['prefix=10.0.0.0/24', 'a'],
  ['prefix=10.0.0.0/23', 'ab'],
  ['prefix=0.0.0.0/0', 'ab'],
  ['prefix=AA', 'a'],
  ['country=de', 'c'],
  ['country=xz', 'ab'],
  ['as=AS24940', 'c'],
  ['as=0', 'ab'],
  ['credit=..-1', 'b'],
  ['credit=100', 'ac'],
  ['proof_age=..1h', 'a'],
  ['proof_age=1h..', ''],
  ['latency=..200ms', 'a'],
  ['latency=200ms..1s', 'b'],
  ['reachable=unknown', 'c'],
  ['first_seen_days=3', 'c'],
  ['first_seen_days=4-', ''],
  ['search=lone', ''],
  ['search=Lone', 'ab'],
  ['search=hetzner', 'c'],
  ['search="hetzner online" state:awaiting', 'c'],
  ['search=10.0', 'ab'],
  ['search=state:active version:11..', 'a'],
  ['columns=key', 'abc'],
])('%s finds %s', (query, want) => expect(keys(query)).toBe(want));

const vectors = JSON.parse(readFileSync(new URL('../../../directory/testdata/query.json', import.meta.url), 'utf8')) as {
  now: string;
  nodes: Node[];
  queries: { query: string; wrong?: string; found: number[] }[];
};

// When a node was last seen is not in the list, as it changes with every block.
test.each(vectors.queries.filter((v) => !v.query.includes('last_seen')))('$query is answered as Go answers it', ({ query, wrong, found }) => {
  const q = new URLSearchParams(query);
  const filter = parseFilter(q);
  expect([...filter.broken, ...filter.unknown]).toEqual(wrong ? [q.has('search') ? 'search' : wrong] : []); // what is wrong in a search leaves all of it out
  if (wrong) return;
  const keys = sort(find(vectors.nodes, filter, Date.parse(vectors.now) / 1000).nodes, q.get('order') ?? '').map((n) => n.key);
  expect(keys.map((key) => vectors.nodes.findIndex((n) => n.key === key))).toEqual(found);
});

test('what is no parameter is told, as the API tells it', () => {
  expect(parseFilter(new URLSearchParams('state=active&stat=gone&alice=1&alice=2&columns=key&order=key&limit=3')).unknown).toEqual(['stat', 'alice']);
  expect(parseFilter(new URLSearchParams('last_seen_days=0')).unknown).toEqual(['last_seen_days']);
  expect(parseFilter(new URLSearchParams('state=')).broken).toEqual(['state']);
});

test('what cannot be read asks for nothing, and is told', () => {
  for (const query of ['state=well', 'version=x', 'version=1.2.3.4', 'credit=many', 'latency=5', 'latency=..', 'prefix=zz', 'prefix=10.0.0.0/33', 'country=deu', 'swarm=g', 'search="open', 'search=foo:bar', 'first_seen_days=-']) {
    const f = parseFilter(new URLSearchParams(query));
    expect([query, f.broken]).toEqual([query, [query.split('=')[0]]]);
    expect(f.tests).toEqual([]);
  }
});

test('counts say what a choice would lead to', () => {
  const { counts } = find(all, parseFilter(new URLSearchParams('state=active&operator=Lone')), now);
  expect(Object.fromEntries(counts.state)).toEqual({ active: 1, decommissioned: 1 }); // of those of the operator
  expect(Object.fromEntries(counts.operator)).toEqual({ Lone: 1 }); // of those that are active
  expect(Object.fromEntries(counts.reachable)).toEqual({ up: 1 });
});

test('sorts as the API does: unknown last, ties by key', () => {
  const order = (o: string): string => sort([c, b, a], o).map((n) => n.key[0]).join('');
  expect(order('')).toBe('abc');
  expect(order('latency')).toBe('abc');
  expect(order('-latency')).toBe('bac');
  expect(order('version')).toBe('bac');
  expect(order('-state,key')).toBe('bac');
  expect(order('-credit')).toBe('acb');
  expect(order('stake')).toBe('abc');
  expect(order('nonsense')).toBe('abc');
});

test('reads versions, durations and addresses as Go does', () => {
  expect(versionOf('2.11')).toBe(versionOf('2.11.0'));
  expect(versionOf('2.9.9')! < versionOf('2.10')!).toBe(true);
  expect(versionOf('')).toBeNull();
  expect([parseDuration('1h30m'), parseDuration('200ms'), parseDuration('1.5s'), parseDuration('0'), parseDuration('5'), parseDuration('')]).toEqual([5400, 0.2, 1.5, 0, null, null]);
  expect([ipOf('1.2.3.4'), ipOf('1.2.3'), ipOf('1.2.3.256'), ipOf('01.2.3.4')]).toEqual([16_909_060, null, null, null]);
});
