import { expect, test } from 'vitest';
import type { Schemas } from '../api/client.js';
import { outages } from './outages.js';

const happened = (...kinds: Schemas['NodeEvent']['kind'][]): Schemas['NodeEvent'][] => kinds.map((kind, i) => ({ seq: i, height: 100 + i, time: null, kind, text: '' }));
const spans = (...kinds: Schemas['NodeEvent']['kind'][]): (number | null)[][] => outages(happened(...kinds)).map((o) => [o.began.seq, o.ended?.seq ?? null]);

test('a time out of service ends with what ends it', () => {
  expect(spans()).toEqual([]);
  expect(spans('registered', 'active', 'decommissioned', 'version_changed', 'recommissioned', 'decommissioned')).toEqual([[2, 4], [5, null]]);
  expect(spans('decommissioned', 'deregistered', 'registered')).toEqual([[0, 1]]);
  expect(spans('decommissioned', 'decommissioned')).toEqual([[0, 1], [1, null]]);
  expect(spans('recommissioned', 'ip_changed')).toEqual([]);
});
