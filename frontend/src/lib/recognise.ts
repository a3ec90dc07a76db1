/**
 * What a text may be. It is looked at in the browser, without cryptography and without asking anybody, so it can be done at every key.
 */
import { isName, lower, parseName, suffix, type Name, type Rule } from './name.js';

export type Kind = 'name' | 'loki' | 'hash' | 'session_id' | 'loki_address' | 'node' | 'ip' | 'owner' | 'txid' | 'height';

export type Recognised =
  | { readonly kind: 'name' | 'loki'; readonly name: Name }
  | { readonly kind: 'name' | 'loki'; readonly broken: Rule }
  | { readonly kind: Exclude<Kind, 'name' | 'loki'>; readonly text: string };

// Of 32 bytes, in either alphabet: the last character has two bits that are zero.
const base64 = /^([0-9A-Za-z+/]{42}|[0-9A-Za-z_-]{42})[AEIMQUYcgkosw048]=?$/;
const base32z = '[ybndrfg8ejkmcpqxot1uwisza345h769]';

/**
 * Returns all that a text may be, the likeliest first; nothing only for an empty one. 64 hexadecimal digits are the hash of a name, a node's
 * key, an owner's, a transaction's hash, and a name; digits a height and a name.
 */
export function recognise(typed: string): Recognised[] {
  const text = typed.trim();
  const low = lower(text);
  const out: Recognised[] = [];
  if (text === '') return out;
  if (/^05[0-9a-f]{64}$/.test(low)) out.push({ kind: 'session_id', text: low });
  if (/^[0-9a-f]{64}$/.test(low)) {
    for (const kind of ['hash', 'node', 'txid', 'owner'] as const) out.push({ kind, text: low });
  }
  if (base64.test(text)) out.push({ kind: 'hash', text });
  if (new RegExp(`^${base32z}{52}(\\.snode)?$`).test(low)) out.push({ kind: 'node', text: low.slice(0, 52) });
  if (new RegExp(`^${base32z}{52}\\.loki$`).test(low)) out.push({ kind: 'loki_address', text: low });
  if (isIP(low)) out.push({ kind: 'ip', text: low });
  if (/^[1-9A-HJ-NP-Za-km-z]{94,112}$/.test(text)) out.push({ kind: 'owner', text });
  if (/^[0-9]{1,3}(,[0-9]{3})+$/.test(low)) out.push({ kind: 'height', text: low.replaceAll(',', '') });
  if (out.some((r) => r.kind !== 'hash' && r.kind !== 'node' && r.kind !== 'txid' && r.kind !== 'owner')) return out;
  if (low.endsWith(suffix)) {
    out.push(named('loki', parseName('lokinet', text)));
    return out;
  }
  const name = parseName('session', text);
  if (out.length === 0 || isName(name)) out.push(named('name', name));
  if (/^[0-9]{1,9}$/.test(low)) out.push({ kind: 'height', text: low });
  return out;
}

function named(kind: 'name' | 'loki', n: Name | Rule): Recognised {
  return isName(n) ? { kind, name: n } : { kind, broken: n };
}

function isIP(s: string): boolean {
  const v4 = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/.exec(s);
  if (v4) return v4.slice(1).every((part) => Number(part) <= 255);
  if (!/^[0-9a-f:]+$/.test(s) || !s.includes(':')) return false;
  const halves = s.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  return halves.length <= 2 && groups.every((g) => /^[0-9a-f]{1,4}$/.test(g)) && (halves.length === 2 ? groups.length < 8 : groups.length === 8);
}
