/** Histories of measurements: slots of the same length, from the finest to the longest (`directory/history.go`). */
import type { Schemas } from '../api/client.js';

export interface Point {
  readonly at: number; // middle of the slot, Unix seconds
  readonly value: number | null;
}

export const spans = ['1d', '3d', '30d', '90d', '1y', '5y'] as const;
export type Span = (typeof spans)[number];

const day = 86_400;
export const spanSeconds: Readonly<Record<Span, number>> = { '1d': day, '3d': 3 * day, '30d': 30 * day, '90d': 90 * day, '1y': 365 * day, '5y': 1826 * day };

export function points(o: Schemas['Object']): Point[] {
  if (!o.first) return [];
  const first = Date.parse(o.first) / 1000;
  return o.values.map((v, i) => ({ at: first + i * o.interval, value: v === null ? null : v * o.factor }));
}

/** The points of a span that ends now: of every check, of hours or of days, whichever of them reach back so far. */
export function within(objects: readonly Schemas['Object'][], span: Span, now: number): { readonly points: Point[]; readonly interval: number } {
  const which = spanSeconds[span] <= 3 * day ? 0 : spanSeconds[span] <= 90 * day ? 1 : 2;
  const o = objects[Math.min(which, objects.length - 1)];
  if (!o) return { points: [], interval: 0 };
  // A slot that has begun counts, although its middle is yet to come.
  return { points: points(o).filter((p) => p.at > now - spanSeconds[span] && p.at <= now + o.interval), interval: o.interval };
}

/** The value that a share of values do not exceed; null of none. */
export function quantile(values: readonly number[], q: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}

export const known = (all: readonly Point[]): number[] => all.flatMap((p) => (p.value === null ? [] : [p.value]));

export interface Band {
  readonly at: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly slots: number; // that have a value
}

/** Cuts a series into windows of as many slots, so that at most so many are left, and says what half and 95 in 100 of the values of each come to. */
export function bands(all: readonly Point[], most: number): Band[] {
  const size = Math.max(1, Math.ceil(all.length / most));
  const out: Band[] = [];
  for (let i = 0; i < all.length; i += size) {
    const window = all.slice(i, i + size);
    const values = known(window);
    out.push({ at: (window[0]!.at + window.at(-1)!.at) / 2, p50: quantile(values, 0.5), p95: quantile(values, 0.95), slots: values.length });
  }
  return out;
}

/** The line of a small picture, 0 to 1 in both directions and y downwards, a piece for each run without gaps. */
export function sparkline(values: readonly (number | null)[], top: number): string {
  const step = values.length > 1 ? 1 / (values.length - 1) : 0;
  let line = '';
  let pen = false;
  values.forEach((v, i) => {
    if (v === null) {
      pen = false;
      return;
    }
    const x = values.length > 1 ? i * step : 0.5;
    line += `${pen ? 'L' : 'M'}${round(x)} ${round(1 - Math.min(1, top > 0 ? v / top : 0))}`;
    if (!pen && (values[i + 1] ?? null) === null) line += 'h0'; // a dot
    pen = true;
  });
  return line;
}

const round = (n: number): number => Math.round(n * 1000) / 1000;
