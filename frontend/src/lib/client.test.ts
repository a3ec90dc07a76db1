import { expect, test } from 'vitest';
import { clients, judge, readings, type Answer, type Outcome } from './client.js';
import { isName, lower, parseName } from './name.js';
import { readJSON } from './test/vectors.js';

const asked = (text: string): Record<string, string | null> => Object.fromEntries(readings(text).map((r) => [r.client, r.name?.text ?? null]));

test('as Go reads', () => {
  const { readings: all } = readJSON<{ readings: { text: string; asks: Record<string, string | null> }[] }>('browser.json');
  for (const { text, asks } of all) expect(asked(text), JSON.stringify(text)).toEqual(asks);
});

test("as the clients' own encoders have it", () => {
  for (const row of readJSON<{ text: string; desktop: string | null; session_js: string | null; android: string }[]>('clients.json')) {
    const registrable = (s: string | null, folds: boolean): string | null => {
      if (s === null || (!folds && lower(s) !== s)) return null;
      const n = parseName('session', s);
      return isName(n) ? n.text : null;
    };
    expect(asked(row.text), JSON.stringify(row.text)).toMatchObject({
      'session-desktop': registrable(row.desktop, true),
      'session-android': registrable(row.android, true),
      'session.js': registrable(row.session_js, false),
    });
  }
});

const id = Uint8Array.from([5, ...new Array<number>(32).fill(0)]);
const value = (b: Uint8Array, legacy = false): Answer => ({ state: 'value', value: b, legacy });

test.each<[string, string, Answer, [Outcome, Outcome, Outcome, Outcome]]>([
  ['found', 'mag69', value(id), ['finds', 'finds', 'finds', 'finds']],
  ['capitals', 'Mag69', value(id), ['finds', 'finds', 'finds', 'misses']],
  ['blank', 'mag69 ', value(id), ['finds', 'finds', 'misses', 'misses']],
  ['not registered', 'mag69', { state: 'not_registered' }, ['misses', 'misses', 'misses', 'misses']],
  ['of 2020', 'mag69', value(id, true), ['misses', 'misses', 'finds', 'finds']],
  ['of 2020, unopened', 'mag69', { state: 'sealed' }, ['misses', 'misses', 'finds', 'finds']],
  ['garbage', 'mag69', { state: 'does_not_open' }, ['misses', 'misses', 'misses', 'misses']],
  ['no Session id', 'mag69', value(Uint8Array.from([0x15, ...id.slice(1)])), ['misses', 'misses', 'misses', 'misses']],
  ['nobody answered', 'mag69', { state: 'unknown' }, ['unknown', 'unknown', 'unknown', 'unknown']],
  ['no name', 'a b', value(id), ['misses', 'misses', 'misses', 'misses']],
])('%s', (_, text, answer, want) => {
  const got = readings(text).map((r) => judge(r, answer));
  expect(got.map((v) => v.client)).toEqual(clients);
  expect(got.map((v) => v.outcome)).toEqual(want);
  for (const v of got) expect(v.why === null).toBe(v.outcome === 'finds');
});
