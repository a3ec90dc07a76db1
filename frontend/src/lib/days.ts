/** Statistics by the day as charts draw them: every day of a period, those without changes too. */
import { types, type Type } from './name.js';

export interface DayChanges {
  readonly buys: number;
  readonly updates: number;
  readonly renewals: number;
  readonly burned: string; // atomic
}

export type DayRow = { readonly day: string } & Readonly<Record<Type, DayChanges>>;

/** What a chart counts. */
export const measures = ['buys', 'updates', 'renewals', 'burned'] as const;
export type Measure = (typeof measures)[number];

/** Numbers of days that may be looked at; 0: since the first. */
export const spans = [30, 90, 365, 0] as const;
export type Span = (typeof spans)[number];

const mostDays = 10_000; // the API's own limit
const daySeconds = 86_400;

/** What to ask the API for. */
export const askDays = (span: Span): number => (span === 0 ? mostDays : span);

export function parseMeasure(text: string | null): Measure {
  return measures.find((m) => m === text) ?? 'buys';
}

export function parseSpan(text: string | null): Span {
  return spans.find((s) => String(s) === text) ?? 90;
}

/** Whole and broken OXEN of an atomic amount (1e-9): to the thousandth, which is all a picture shows. NaN of what is no amount. */
export const oxen = (atomic: string): number => (/^\d+$/.test(atomic) ? Number(BigInt(atomic) / 1_000_000n) / 1000 : NaN);

const startOf = (day: string): number => Date.parse(`${day}T00:00:00Z`) / 1000;

export interface Drawn {
  readonly times: number[]; // Unix seconds at which the days begin (UTC)
  readonly counts: Record<Type, number[]>;
}

/** Every day up to the last, a Unix time: of a span so many, else from the first that has changes. */
export function draw(rows: readonly DayRow[], measure: Measure, span: Span, last: number): Drawn {
  const end = Math.floor(last / daySeconds) * daySeconds;
  const first = rows[0] ? startOf(rows[0].day) : end;
  const begin = span === 0 ? Math.min(first, end) : end - (span - 1) * daySeconds;
  const n = Math.min(mostDays, Math.round((end - begin) / daySeconds) + 1);
  const times = Array.from({ length: n }, (_, i) => begin + i * daySeconds);
  const counts: Record<Type, number[]> = { session: times.map(() => 0), wallet: times.map(() => 0), lokinet: times.map(() => 0) };
  for (const row of rows) {
    const i = Math.round((startOf(row.day) - begin) / daySeconds);
    if (i < 0 || i >= n) continue;
    for (const type of types) counts[type][i] = measure === 'burned' ? oxen(row[type].burned) : row[type][measure];
  }
  return { times, counts };
}

/** The sum of a type over the days that are drawn. */
export const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
