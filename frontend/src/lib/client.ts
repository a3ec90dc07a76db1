/**
 * What each of the Session clients makes of a text that somebody types as a name, and what comes of it: `ons/client.go`, which
 * names their sources.
 */
import { encode } from 'punycode/punycode.es6.js';
import tr46 from 'tr46';
import { isName, lower, parseName, type Name, type Rule } from './name.js';

export const clients = ['session-desktop', 'session-android', 'session-ios', 'session.js'] as const;
export type Client = (typeof clients)[number];

/** Why a client does not ask for a name, or does not find it. */
export type Why =
  | { readonly code: 'pattern' | 'not_ascii' | 'blanks' | 'capitals' | 'not_registered' | 'does_not_open' | 'unknown' | 'legacy' | 'no_session_id' }
  | { readonly code: 'rule'; readonly rule: Rule };

export interface Reading {
  readonly client: Client;
  readonly name: Name | null; // the session name it asks the network for; null: none that can be registered
  readonly why: Why | null; // null with a name
}

/** Returns what each client makes of a text, always in the same order. */
export function readings(text: string): Reading[] {
  return [desktop(text), android(text), ios(text), sessionJS(text)];
}

const pattern = /^[0-9A-Za-z_]([0-9A-Za-z_-]*[0-9A-Za-z_])?$/; // the clients' own
const isASCII = (s: string): boolean => /^[\0-\x7f]*$/.test(s);

function desktop(text: string): Reading {
  let asked = text.trim();
  if (!/[@.。．｡]/.test(asked)) asked = punycode(asked);
  return pattern.test(asked) ? reading('session-desktop', asked) : refuses('session-desktop', 'pattern');
}

function android(text: string): Reading {
  const trimmed = text.trim();
  const asked = isASCII(trimmed) ? trimmed : mapped(trimmed);
  return asked === null ? refuses('session-android', 'not_ascii') : reading('session-android', asked);
}

// Drops empty parts, and encodes a part that has any character but those of CharacterSet.urlHostAllowed. Blanks stay.
function ios(text: string): Reading {
  const folded = Array.from(text, (c) => c.toLowerCase()).join(''); // each character by itself: Σ is σ at the end, too
  const parts = folded.split('.').filter((part) => part !== '');
  const asked = parts.map((part) => {
    if (!isASCII(part)) return punycode(part);
    return /^[0-9a-z!$&'()*+,\-:;=[\]_~]*$/.test(part) ? part : `xn--${part}-`;
  });
  const r = reading('session-ios', asked.join('.'));
  return r.why && folded.trim() !== folded ? refuses('session-ios', 'blanks') : r;
}

function sessionJS(text: string): Reading {
  if (!pattern.test(text)) return refuses('session.js', 'pattern');
  return lower(text) === text ? reading('session.js', text) : refuses('session.js', 'capitals');
}

function reading(client: Client, asked: string): Reading {
  const n = parseName('session', asked);
  return isName(n) ? { client, name: n, why: null } : { client, name: null, why: { code: 'rule', rule: n } };
}

function refuses(client: Client, code: 'pattern' | 'not_ascii' | 'blanks' | 'capitals'): Reading {
  return { client, name: null, why: { code } };
}

// xn-- and the RFC 3492 form, case and all, of what is not ASCII.
function punycode(s: string): string {
  return isASCII(s) ? s : `xn--${encode(s)}`;
}

// About java.net.IDN.toASCII, which is IDNA 2003: UTS 46 in its transitional form.
function mapped(s: string): string | null {
  const ascii = tr46.toASCII(s, { checkBidi: true, transitionalProcessing: true });
  if (ascii === null || ascii.split('.').some((label) => label === '' || label.length > 63)) return null;
  return ascii;
}

/** What the registry says of a session name. */
export type Answer =
  | { readonly state: 'value'; readonly value: Uint8Array; readonly legacy: boolean }
  | { readonly state: 'sealed' } // of 2020, and not opened: opening takes consent
  | { readonly state: 'not_registered' | 'does_not_open' | 'unknown' };

export type Outcome = 'finds' | 'misses' | 'unknown';

export interface Verdict extends Reading {
  readonly outcome: Outcome;
  readonly value: Uint8Array | null; // with "finds", unless it was not opened
}

const readsLegacy = (c: Client): boolean => c === 'session-ios' || c === 'session.js';

/** Says what comes of a reading if the registry answers its name so; without a name, the answer does not matter. */
export function judge(r: Reading, a: Answer): Verdict {
  const misses = (code: 'not_registered' | 'does_not_open' | 'legacy' | 'no_session_id'): Verdict => ({ ...r, outcome: 'misses', why: { code }, value: null });
  if (!r.name) return { ...r, outcome: 'misses', value: null };
  switch (a.state) {
    case 'not_registered':
    case 'does_not_open':
      return misses(a.state);
    case 'unknown':
      return { ...r, outcome: 'unknown', why: { code: 'unknown' }, value: null };
    case 'sealed':
      return readsLegacy(r.client) ? { ...r, outcome: 'finds', value: null } : misses('legacy');
  }
  if (a.legacy && !readsLegacy(r.client)) return misses('legacy');
  if (a.value.length !== 33 || a.value[0] !== 5) return misses('no_session_id');
  return { ...r, outcome: 'finds', value: a.value };
}
