/**
 * What a text may be. It is looked at in the browser, without cryptography and without asking anybody, so it can be done at every key.
 */
import { isName, lower, parseName, suffix, type Name, type Rule, type Type } from './name.js';

export type Kind = 'name' | 'loki' | 'hash' | 'session_id' | 'loki_address' | 'node' | 'ip' | 'owner' | 'txid' | 'height';

export type Recognised =
  | { readonly kind: 'name' | 'loki'; readonly name: Name; readonly text: string }
  | { readonly kind: 'name' | 'loki'; readonly broken: Rule; readonly text: string }
  | { readonly kind: Exclude<Kind, 'name' | 'loki'>; readonly text: string };

// Of 32 bytes, in either alphabet: the last character has two bits that are zero.
const base64 = /^([0-9A-Za-z+/]{42}|[0-9A-Za-z_-]{42})[AEIMQUYcgkosw048]=?$/;
const base32z = '[ybndrfg8ejkmcpqxot1uwisza345h769]';

/**
 * Returns all that a text may be, the likeliest first; nothing only for an empty one. 64 hexadecimal digits are the hash of a name, a node's
 * key, an owner's, a transaction's hash, and a name; digits a height and a name. What is known to be there is likelier than what is not.
 */
export function recognise(typed: string, known: (kind: Kind, text: string) => boolean = () => false): Recognised[] {
  const all = readings(typed);
  const there = all.filter((r) => known(r.kind, r.text));
  return [...there, ...all.filter((r) => !there.includes(r))];
}

function readings(typed: string): Recognised[] {
  const text = typed.trim();
  const low = lower(text);
  const out: Recognised[] = [];
  if (text === '') return out;
  if (/^05[0-9a-f]{64}$/.test(low)) out.push({ kind: 'session_id', text: low });
  const digits = /^0x[0-9a-f]{64}$/.test(low) ? low.slice(2) : low;
  if (/^[0-9a-f]{64}$/.test(digits)) {
    for (const kind of ['hash', 'node', 'txid', 'owner'] as const) out.push({ kind, text: digits });
    if (digits !== low) return out;
  }
  if (base64.test(text)) out.push({ kind: 'hash', text });
  if (new RegExp(`^${base32z}{52}(\\.snode)?$`).test(low)) out.push({ kind: 'node', text: low.slice(0, 52) });
  if (new RegExp(`^${base32z}{52}\\.loki$`).test(low)) out.push({ kind: 'loki_address', text: low });
  const ip = ipOf(low);
  if (ip !== null) out.push({ kind: 'ip', text: ip });
  if (/^[1-9A-HJ-NP-Za-km-z]{94,112}$/.test(text)) out.push({ kind: 'owner', text });
  if (/^[0-9]{1,3}(([,.\u2019\u00a0\u202f ])[0-9]{3})(\2[0-9]{3})*$/.test(low)) out.push({ kind: 'height', text: low.replace(/[^0-9]/g, '') }); // as pages write it in any language
  if (out.some((r) => r.kind !== 'hash' && r.kind !== 'node' && r.kind !== 'txid' && r.kind !== 'owner')) return out;
  const bare = bareName(text);
  if (lower(bare).endsWith(suffix)) {
    out.push(named('loki', parseName('lokinet', bare), bare));
    return out;
  }
  const name = parseName('session', bare);
  if (out.length === 0 || isName(name)) out.push(named('name', name, bare));
  if (/^[0-9]{1,9}$/.test(low)) out.push({ kind: 'height', text: low });
  return out;
}

function named(kind: 'name' | 'loki', n: Name | Rule, text: string): Recognised {
  return isName(n) ? { kind, name: n, text } : { kind, broken: n, text };
}

/** A name without what people write around one, where there is a name without it. */
function bareName(text: string): string {
  const bare = text.replace(/^@/, '').replace(/^https?:\/\//i, '').replace(/\/$/, '').replace(/\.$/, '');
  const host = bare.replace(/^www\./i, '');
  for (const one of [bare, host]) {
    if (isName(parseName(lower(one).endsWith(suffix) ? 'lokinet' : 'session', one))) return one;
  }
  return text;
}

const partOf = (type: Type, text: string): string => (type === 'lokinet' && lower(text).endsWith(suffix) ? text.slice(0, -suffix.length) : text);

/** The characters of a text that no name of a type may have, each once. */
export function wrongIn(type: Type, text: string): string[] {
  const allowed = type === 'lokinet' ? /^[a-z0-9-]$/i : /^[a-z0-9_-]$/i;
  return [...new Set([...partOf(type, text)].filter((c) => !allowed.test(c)))];
}

/** Names that may have been meant by one with wrong characters: those changed to hyphens, and left out. */
export function near(type: Type, text: string): string[] {
  const wrong = type === 'lokinet' ? /[^a-z0-9-]+/gi : /[^a-z0-9_-]+/gi;
  const plain = partOf(type, text).normalize('NFD').replace(/\p{M}/gu, ''); // letters lose their accents
  const all = ['-', ''].map((by) => plain.replace(wrong, by).replace(/^-+|-+$/g, '') + (type === 'lokinet' ? suffix : ''));
  return [...new Set(all.map(lower))].filter((one) => one !== lower(text) && isName(parseName(type, one)));
}

/** An address without brackets and port, and the IPv4 address within an IPv6 one; null if it is none. */
function ipOf(s: string): string | null {
  const bare = /^\[([0-9a-f:.]+)\](:[0-9]{1,5})?$/.exec(s)?.[1] ?? /^([0-9.]+):[0-9]{1,5}$/.exec(s)?.[1] ?? s;
  const inner = /^::ffff:([0-9.]+)$/.exec(bare)?.[1] ?? bare;
  return isIP(inner) ? inner : null;
}

function isIP(s: string): boolean {
  const v4 = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/.exec(s);
  if (v4) return v4.slice(1).every((part) => Number(part) <= 255);
  if (!/^[0-9a-f:]+$/.test(s) || !s.includes(':')) return false;
  const halves = s.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  return halves.length <= 2 && groups.every((g) => /^[0-9a-f]{1,4}$/.test(g)) && (halves.length === 2 ? groups.length < 8 : groups.length === 8);
}
