import { describe, expect, test } from 'vitest';
import { hex, unhex } from './bytes.js';
import { readings } from './client.js';
import { examine, type Registry } from './doctor.js';
import { hashOf } from './hash.js';
import { parseName, types, type Name } from './name.js';
import { readJSON } from './test/vectors.js';
import { parseSealed } from './value.js';

interface Vector { id: string; name: string; type: number; stored: string; text?: string }
const vectors = new Map(readJSON<{ names: Vector[] }>('chain.json').names.map((v) => [v.id, v]));

/** A registry of the vectors of these ids, under their own names or others. */
function registry(rows: Record<string, { as?: string; expires?: number }>): Registry {
  const all = new Map(
    Object.entries(rows).map(([id, { as, expires }]) => {
      const v = vectors.get(id)!;
      const n = parseName(types[v.type]!, as ?? v.name) as Name;
      return [`${n.type} ${hex(hashOf(n))}`, { sealed: parseSealed(n.type, unhex(v.stored)!)!, expires: expires ?? 0 }];
    }),
  );
  return { network: 'mainnet', height: 100, find: (n, hash) => all.get(`${n.type} ${hex(hash)}`) ?? null };
}

const outcomes = (text: string, r: Registry): string => examine(text, r).verdicts.map((v) => v.outcome[0]).join('');
const states = (text: string, r: Registry): string[] => examine(text, r).names.map((f) => `${f.name.type}:${f.state}`);

describe('a registered name', () => {
  const r = registry({ V4: {} }); // jagerman
  test('is found as clients fold', () => {
    expect(outcomes('jagerman', r)).toBe('ffff');
    expect(outcomes('Jagerman', r)).toBe('fffm');
    expect(outcomes(' jagerman', r)).toBe('ffmm');
    expect(states('jagerman', r)).toEqual(['session:registered', 'wallet:not_registered', 'lokinet:not_registered']);
    expect(examine('jagerman', r).names[0]?.value).toBe(vectors.get('V4')!.text);
    expect(examine('jagerman', r).advice).toEqual(['try_again']);
  });
  test('typed as a lokinet name is looked for without', () => {
    expect(examine('jagerman.loki', r).advice).toEqual(['without_loki']);
  });
});

test('a name that is not there', () => {
  const { advice, verdicts } = examine('nobody', registry({}));
  expect(verdicts.map((v) => v.why?.code)).toEqual(Array(4).fill('not_registered'));
  expect(advice).toEqual(['just_bought']);
  expect(examine('a b', registry({})).advice).toEqual(['no_such_name']);
});

test('one that is registered as another type, and one that has expired', () => {
  expect(examine('satoshi', registry({ V7: {} })).advice).toEqual(['other_type', 'just_bought']);
  expect(states('blocks.loki', registry({ V3: { expires: 101 } }))).toContain('lokinet:registered');
  expect(states('blocks.loki', registry({ V3: { expires: 100 } }))).toContain('lokinet:expired');
  expect(examine('blocks.loki', registry({ V3: {} })).advice).toEqual(['lokinet_only']);
});

test('a value of 2020 is not opened, and only some clients read it', () => {
  const r = registry({ V2: {} });
  expect(outcomes('test', r)).toBe('mmff');
  expect(states('test', r)[0]).toBe('session:needs_update');
  expect(examine('test', r).advice).toEqual(['update', 'try_again']);
});

test('a value of 2020 that was not opened counts as no other account', () => {
  const text = 'jagerman\ufeff'; // desktop trims that, iOS encodes it
  const encoded = readings(text)[2]!.name!.text;
  const r = registry({ V4: {}, V2: { as: encoded } });
  expect(outcomes(text, r)[0]).toBe('f');
  expect(outcomes(text, r)[2]).toBe('f');
  expect(examine(text, r).advice).not.toContain('several_accounts');
  expect(examine(text, r).advice).toContain('try_again');
});

test('what does not open is unreadable', () => {
  const r = registry({ V4: { as: 'somebody' } });
  expect(outcomes('somebody', r)).toBe('mmmm');
  expect(states('somebody', r)[0]).toBe('session:unreadable');
});

test('registered look-alikes are found, and compared', () => {
  const { lookalikes } = examine('test', registry({ V1: {}, V4: { as: 'te5t' } }));
  expect(lookalikes.found.map((f) => [f.name.text, f.state, f.same])).toEqual([['te5t', 'unreadable', null]]);
  expect(lookalikes.tried).toBeGreaterThan(0);
  expect(examine('illicit', registry({})).lookalikes.tried).toBeGreaterThan(20);
});
