/** Which clients find a name, why not, and what looks like it: what `onsight doctor` says, worked out over a registry that is held here. */
import { equal } from './bytes.js';
import { judge, readings, type Answer, type Verdict } from './client.js';
import { hashOf } from './hash.js';
import { lookalikes } from './lookalike.js';
import { isName, lower, parseName, suffix, type Name } from './name.js';
import { valueText } from './text.js';
import { open, type Sealed } from './value.js';

const most = 1000; // look-alikes that are looked up

/** A registry that answers without asking anybody. */
export interface Registry {
  readonly network: string;
  readonly height: number;
  /** The newest record of a name, expired or not. */
  find(n: Name, hash: Uint8Array): { readonly sealed: Sealed; readonly expires: number } | null;
}

export type State = 'registered' | 'needs_update' | 'unreadable' | 'expired' | 'not_registered';

export interface Found {
  readonly name: Name;
  readonly state: State;
  readonly value: string | null; // null: there is none, or it is of 2020 and was not opened
  readonly same: boolean | null; // of a look-alike: as the name asked about; null: not known
}

export type Advice = 'several_accounts' | 'no_such_name' | 'update' | 'without_loki' | 'lokinet_only' | 'other_type' | 'just_bought' | 'try_again';

export interface Report {
  readonly verdicts: Verdict[];
  readonly names: Found[];
  readonly lookalikes: { readonly tried: number; readonly more: boolean; readonly found: Found[] };
  readonly advice: Advice[];
}

/** Says what there is to say of a text, but of a Session id, which no client looks up. */
export function examine(text: string, registry: Registry): Report {
  const all = readings(text);
  const names: Name[] = [];
  const add = (n: Name): void => {
    if (!names.some((m) => m.type === n.type && m.text === n.text)) names.push(n);
  };
  for (const r of all) if (r.name) add(r.name);
  const typed = lower(text.trim());
  const loki = typed.endsWith(suffix);
  let plain = loki ? typed.slice(0, -suffix.length) : typed;
  if (names[0]) plain = names[0].text;
  for (const type of ['session', 'wallet', 'lokinet'] as const) {
    const n = parseName(type, plain);
    if (isName(n)) add(n);
  }
  const main = names.find((n) => (n.type === 'lokinet') === loki);
  const answers = new Map(names.map((n) => [n, answer(n, registry)] as const));
  const of = (n: Name | null): Answer => answers.get(names.find((m) => m.type === n?.type && m.text === n.text)!) ?? { state: 'unknown' };

  const verdicts = all.map((r) => judge(r, of(r.name)));
  const tried = main ? lookalikes(main, most + 1) : [];
  const mine = main ? of(main) : null;
  const found = tried.slice(0, most).flatMap((n) => {
    const f = look(n, registry);
    if (f.state === 'not_registered' || f.state === 'expired') return [];
    const a = answer(n, registry);
    return [{ ...f, same: a.state === 'value' && mine?.state === 'value' ? equal(a.value, mine.value) : null }];
  });
  return {
    verdicts,
    names: names.map((n) => look(n, registry)),
    lookalikes: { tried: Math.min(tried.length, most), more: tried.length > most, found },
    advice: advise(verdicts, names, of, loki),
  };
}

function live(n: Name, registry: Registry): { sealed: Sealed; expires: number } | 'expired' | null {
  const found = registry.find(n, hashOf(n));
  if (!found) return null;
  return found.expires !== 0 && registry.height + 1 > found.expires ? 'expired' : found;
}

function answer(n: Name, registry: Registry): Answer {
  const found = live(n, registry);
  if (!found || found === 'expired') return { state: 'not_registered' };
  if (!found.sealed.nonce) return { state: 'sealed' };
  const value = open(n, found.sealed);
  return value ? { state: 'value', value, legacy: false } : { state: 'does_not_open' };
}

function look(name: Name, registry: Registry): Found {
  const found = live(name, registry);
  const none = { name, value: null, same: null };
  if (!found) return { ...none, state: 'not_registered' };
  if (found === 'expired') return { ...none, state: 'expired' };
  if (!found.sealed.nonce) return { ...none, state: 'needs_update' };
  const b = open(name, found.sealed);
  const value = b && valueText(name.type, b, registry.network);
  return value ? { ...none, state: 'registered', value } : { ...none, state: 'unreadable' };
}

function advise(verdicts: Verdict[], names: Name[], of: (n: Name) => Answer, loki: boolean): Advice[] {
  const out: Advice[] = [];
  const finds = verdicts.filter((v) => v.outcome === 'finds');
  const accounts = new Set(finds.flatMap((v) => (v.value ? [String(v.value)] : []))); // of a value that was not opened none is known
  const has = (n: Name): boolean => of(n).state !== 'not_registered';
  const session = names.some((n) => n.type === 'session' && has(n));
  if (accounts.size > 1) out.push('several_accounts');
  if (names.length === 0) out.push('no_such_name');
  if (names.some((n) => of(n).state === 'sealed')) out.push('update');
  if (loki) out.push(session ? 'without_loki' : 'lokinet_only');
  else if (!session && names.length > 0) {
    if (names.some((n) => n.type !== 'session' && has(n))) out.push('other_type');
    out.push('just_bought');
  }
  if (finds.length > 0 && accounts.size <= 1) out.push('try_again');
  return out;
}
