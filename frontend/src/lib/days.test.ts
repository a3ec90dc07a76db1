import { expect, test } from 'vitest';
import { askDays, draw, oxen, parseMeasure, parseSpan, total, type DayRow } from './days.js';

const none = { buys: 0, updates: 0, renewals: 0, burned: '0' };
const day = (d: string, buys: number, burned = '0'): DayRow => ({ day: d, session: { ...none, buys, burned }, wallet: none, lokinet: { ...none, renewals: 1 } });
const at = (s: string): number => Date.parse(s) / 1000;

test('every day is there, those without changes too', () => {
  const rows = [day('2024-12-30', 2), day('2025-01-01', 3)];
  const d = draw(rows, 'buys', 30, at('2025-01-01T12:00:00Z'));
  expect(d.times).toHaveLength(30);
  expect(d.times.at(-1)).toBe(at('2025-01-01T00:00:00Z'));
  expect(d.counts.session.slice(-3)).toEqual([2, 0, 3]);
  expect(total(d.counts.session)).toBe(5);
  expect(d.counts.wallet.every((n) => n === 0)).toBe(true);
  expect(draw(rows, 'renewals', 30, at('2025-01-01T12:00:00Z')).counts.lokinet.slice(-3)).toEqual([1, 0, 1]);
});

test('without a span it begins with the first day', () => {
  const d = draw([day('2024-02-28', 1), day('2024-03-01', 1)], 'buys', 0, at('2024-03-02T00:00:00Z'));
  expect(d.counts.session).toEqual([1, 0, 1, 0]); // through a leap day
  expect(draw([], 'buys', 0, at('2024-03-02T00:00:00Z')).times).toHaveLength(1);
  expect(askDays(0)).toBe(10_000);
});

test('what is before the span, or of a day to come, is left out', () => {
  const d = draw([day('2024-01-01', 9), day('2025-01-02', 9)], 'buys', 30, at('2025-01-01T12:00:00Z'));
  expect(total(d.counts.session)).toBe(0);
});

test('amounts keep their thousandths', () => {
  expect(oxen('21000000000')).toBe(21);
  expect(oxen('1234567890123')).toBe(1234.567);
  expect(draw([day('2025-01-01', 1, '7500000000')], 'burned', 30, at('2025-01-01T01:00:00Z')).counts.session.at(-1)).toBe(7.5);
});

test('what the address says is taken, and anything else is the usual', () => {
  expect([parseMeasure('burned'), parseMeasure('x'), parseMeasure(null)]).toEqual(['burned', 'buys', 'buys']);
  expect([parseSpan('365'), parseSpan('0'), parseSpan('7'), parseSpan(null)]).toEqual([365, 0, 90, 90]);
});
