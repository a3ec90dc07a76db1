/** The texts of the pages in the visitor's language. English is always there; others are loaded when they are chosen. */
import { keep, storage } from '../state/preferences.svelte.js';
import { en } from './en.js';

export type Catalogue = typeof en;

export const languages = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof languages;

const load: Record<Language, () => Promise<Catalogue>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import('./de.js')).de,
};

function isLanguage(s: string | null): s is Language {
  return s !== null && Object.hasOwn(languages, s);
}

const nothing = '–'; // for what is no number or no time: a bad answer must not take the page with it
const isTime = (seconds: number): boolean => Math.abs(seconds) <= 8.64e12;

class I18n {
  language = $state<Language>('en');
  t = $state.raw<Catalogue>(en);
  locale = $state('en'); // for numbers and dates: the language as it is written where the visitor is

  /** Loads the language that was chosen before, else the first of the browser's that there is. */
  async start(): Promise<void> {
    const kept = storage.getItem('onsight.language');
    const wanted = isLanguage(kept) ? kept : navigator.languages.map((l) => l.split('-')[0] ?? '').find(isLanguage);
    await this.use(wanted ?? 'en').catch(() => {}); // English, then
  }

  async choose(language: Language): Promise<void> {
    await this.use(language);
    keep('onsight.language', language);
  }

  private async use(language: Language): Promise<void> {
    this.t = await load[language]();
    this.language = language;
    this.locale = navigator.languages.find((l) => l.split('-')[0] === language) ?? language;
    document.documentElement.lang = language;
  }

  number(n: number): string {
    return Number.isFinite(n) ? new Intl.NumberFormat(this.locale).format(n) : nothing;
  }

  percent(n: number): string {
    return Number.isFinite(n) ? new Intl.NumberFormat(this.locale, { style: 'percent', maximumFractionDigits: 1 }).format(n) : nothing;
  }

  bytes(n: number): string {
    if (!Number.isFinite(n)) return nothing;
    const [unit, size] = n < 1e6 ? (['kilobyte', n / 1e3] as const) : (['megabyte', n / 1e6] as const);
    return new Intl.NumberFormat(this.locale, { style: 'unit', unit, maximumFractionDigits: size < 10 ? 1 : 0 }).format(size);
  }

  date(seconds: number): string {
    return isTime(seconds) ? new Intl.DateTimeFormat(this.locale, { dateStyle: 'medium' }).format(seconds * 1000) : nothing;
  }

  moment(seconds: number): string {
    return isTime(seconds) ? new Intl.DateTimeFormat(this.locale, { dateStyle: 'medium', timeStyle: 'short' }).format(seconds * 1000) : nothing;
  }

  /** A day of the world's clock, which is how statistics count days. */
  day(seconds: number, year = false): string {
    if (!isTime(seconds)) return nothing;
    return new Intl.DateTimeFormat(this.locale, { day: 'numeric', month: 'short', timeZone: 'UTC', ...(year && { year: 'numeric' }) }).format(seconds * 1000);
  }

  /** How far a moment is from now, in the one unit that fits: "3 hours ago". */
  distance(seconds: number, now: number): string {
    const units = [['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]] as const;
    const d = seconds - now;
    if (!isTime(d)) return nothing;
    const [unit, size] = units.find(([, s]) => Math.abs(d) >= s) ?? (['second', 1] as const);
    return new Intl.RelativeTimeFormat(this.locale, { numeric: 'auto' }).format(Math.trunc(d / size), unit);
  }

  /** The same of what is reckoned only: "in about 3 hours". A word without a number, as "tomorrow", is as vague by itself. */
  around(seconds: number, now: number): string {
    return this.distance(seconds, now).replace(/\p{N}+/u, (n) => this.t.name.about(n));
  }
}

export const i18n = new I18n();
