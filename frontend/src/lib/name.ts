/**
 * Names and their rules, as `ons/name.go` has them: wallets enforce these rules, the chain does not. Nothing here needs
 * cryptography, so that what is typed can be judged without loading any.
 */
export const types = ['session', 'wallet', 'lokinet'] as const;

/** What a name stands for: an account of the messenger, an address of the currency, or a host. */
export type Type = (typeof types)[number];

/** A folded name that keeps the rules. Only parseName makes one. */
export interface Name {
  readonly type: Type;
  readonly text: string; // with ".loki" if it is a lokinet name
}

/** Which rule a text breaks. */
export type Rule =
  | 'too_long'
  | 'empty'
  | 'characters'
  | 'hyphen'
  | 'label_empty'
  | 'label_characters'
  | 'label_long'
  | 'reserved_hyphens'
  | 'reserved';

export const suffix = '.loki';

const maxName = 64; // session and wallet
const maxLabel = 63; // lokinet, before the suffix
const maxLabelNoHyphen = 32; // shorter than a raw address, which has 52 characters and no hyphen

/** Folds A to Z and nothing outside ASCII. */
export function lower(s: string): string {
  return s.replace(/[A-Z]/g, (c) => c.toLowerCase());
}

/** Folds a text and adds ".loki" to a lokinet name without it, or says which rule it breaks. */
export function parseName(type: Type, text: string): Name | Rule {
  if (text.length > 2 * maxName) return 'too_long';
  let s = lower(text);
  let broken: Rule | null;
  if (type === 'lokinet') {
    const label = s.endsWith(suffix) ? s.slice(0, -suffix.length) : s;
    s = label + suffix;
    broken = checkLabel(label);
  } else {
    broken = checkName(s);
  }
  return broken ?? { type, text: s };
}

function checkName(s: string): Rule | null {
  if (s === '') return 'empty';
  if (s.length > maxName) return 'too_long';
  if (!/^[a-z0-9_-]*$/.test(s) || s.includes('\n')) return 'characters';
  if (s.startsWith('-') || s.endsWith('-')) return 'hyphen';
  return null;
}

function checkLabel(s: string): Rule | null {
  if (s === '') return 'label_empty';
  if (!/^[a-z0-9-]*$/.test(s) || s.includes('\n')) return 'label_characters';
  if (s.startsWith('-') || s.endsWith('-')) return 'hyphen';
  if (s.length > (s.includes('-') ? maxLabel : maxLabelNoHyphen)) return 'label_long';
  if (s.slice(2, 4) === '--' && !s.startsWith('xn--')) return 'reserved_hyphens';
  if (['localhost', 'loki', 'snode'].includes(s)) return 'reserved';
  return null;
}

export function isName(n: Name | Rule): n is Name {
  return typeof n !== 'string';
}
