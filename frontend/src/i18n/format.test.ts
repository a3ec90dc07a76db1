import { expect, test, vi } from 'vitest';
import { oxen } from '../lib/days.js';

vi.stubGlobal('localStorage', { getItem: () => null, setItem() {} });
vi.stubGlobal('navigator', { languages: ['en'] });
const { i18n } = await import('./i18n.svelte.js');

test('about how long is said of the number, not of the direction', () => {
  expect(i18n.around(47 * 60, 0)).toBe('in about 47 minutes');
  expect(i18n.around(-3 * 3600, 0)).toBe('about 3 hours ago');
  expect(i18n.around(1.5 * 86_400, 0)).toBe('tomorrow');
});

test('what is no time and no number is written, too', () => {
  for (const n of [NaN, Infinity, -Infinity, 1e300]) {
    expect([i18n.date(n), i18n.moment(n), i18n.day(n), i18n.distance(n, 0)]).toEqual(['–', '–', '–', '–']);
  }
  for (const n of [NaN, Infinity]) expect([i18n.number(n), i18n.percent(n), i18n.bytes(n)]).toEqual(['–', '–', '–']);
  for (const s of ['', '1.5', '-1', 'x', undefined as unknown as string]) expect(oxen(s)).toBeNaN();
  expect(oxen('1500000000')).toBe(1.5);
  expect(i18n.date(0)).toMatch(/1970/);
});
