import { expect, test } from 'vitest';
import { bands, points, quantile, sparkline, within } from './series.js';

const first = '2026-11-22T00:00:00Z';
const start = Date.parse(first) / 1000;
const object = (interval: number, values: (number | null)[]) => ({ first, last: first, interval, factor: 0.01, count: values.length, values });

test('values are in slots, and gaps stay', () => {
  expect(points(object(600, [100, null, 50]))).toEqual([
    { at: start, value: 1 },
    { at: start + 600, value: null },
    { at: start + 1200, value: 0.5 },
  ]);
  expect(points({ first: null, last: null, interval: 3600, factor: 0, count: 0, values: [] })).toEqual([]);
});

test('a span takes the finest slots that reach so far', () => {
  const all = [object(600, [1, 2]), object(3600, [3]), object(86_400, [4])];
  for (const [span, interval] of [['1d', 600], ['3d', 600], ['30d', 3600], ['90d', 3600], ['1y', 86_400], ['5y', 86_400]] as const) {
    expect(within(all, span, start + 7200).interval).toBe(interval);
  }
  expect(within(all, '1d', start + 86_400 + 300).points).toHaveLength(1);
  expect(within([], '1d', start)).toEqual({ points: [], interval: 0 });
});

test('quantiles are values that occurred', () => {
  expect(quantile([], 0.5)).toBeNull();
  expect(quantile([3, 1, 2], 0.5)).toBe(2);
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2);
  expect(quantile(Array.from({ length: 100 }, (_, i) => i + 1), 0.95)).toBe(95);
  expect(quantile([7], 0.95)).toBe(7);
});

test('bands have at most so many windows', () => {
  const all = Array.from({ length: 10 }, (_, i) => ({ at: i, value: i === 3 ? null : i }));
  const got = bands(all, 4);
  expect(got).toHaveLength(4);
  expect(got[0]).toEqual({ at: 1, p50: 1, p95: 2, slots: 3 });
  expect(got[1]).toEqual({ at: 4, p50: 4, p95: 5, slots: 2 });
});

test('a small line breaks at gaps', () => {
  expect(sparkline([0, 1, null, 1, null], 2)).toBe('M0 1L0.25 0.5M0.75 0.5h0');
  expect(sparkline([1], 1)).toBe('M0.5 0h0');
  expect(sparkline([], 1)).toBe('');
});
