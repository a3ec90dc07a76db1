/**
 * Looks names up: by a range of hashes, in the whole registry, or in a bundle of it. Hashing and opening are done here; the name and its
 * hash go nowhere. Loaded when a name is first looked up, and cryptography with it.
 */
import { AnswerError, api, bytesOf, must } from '../api/client.js';
import { allowedBits, firstBits, namesAmong } from '../lib/bits.js';
import { Bundle, BundleError, isDelta } from '../lib/bundle.js';
import { hex } from '../lib/bytes.js';
import { hashOf, parseHash } from '../lib/hash.js';
import { isName, parseName, types, type Name, type Rule, type Type } from '../lib/name.js';
import { changesOf, readHistory, readRange, type PastRecord } from '../lib/range.js';
import { knownOfBundle, knownOfRange, statusOf, type AsOf, type Entry, type Known, type Status } from '../lib/registry.js';
import { valueText } from '../lib/text.js';
import { open } from '../lib/value.js';
import { arrived } from './arriving.svelte.js';
import { chain } from './chain.svelte.js';
import { registry, wholeMost } from './registry.svelte.js';
import { dropBundle, loadBundle, storeBundle } from './stored.js';

/** How a look-up was answered, and what it revealed. */
export interface How {
  readonly kind: 'bits' | 'all' | 'bundle';
  readonly bits: number; // of the hash that were sent
  readonly index: string; // the range
  readonly hashes: number; // different ones in what was given
  readonly among: number; // of them, as far as others than the server vouch for so many
  readonly allowed: number; // bits that could be sent
  readonly digest: string | null; // of the bundle
}

export interface Answer {
  readonly at: AsOf;
  readonly ready: boolean; // it can tell what is not registered
  readonly known: Known;
  readonly how: How;
  readonly changes: string; // another one if anything happened to the names that were asked about, whichever is meant
}

/** The network that is asked about. The bundle of another answers nothing. */
async function network(): Promise<string> {
  if (!chain.status) await chain.refresh();
  const net = registry.network;
  if (net === null) throw new AnswerError(0, 'no_answer');
  if (registry.bundle && registry.bundle.at.network !== net) registry.bundle = null;
  return net;
}

/** Answers for a hash, without a word of which it is beyond the bits that may be sent; agreed: so many the visitor was told of. */
export async function ask(hash: Uint8Array, agreed = 0): Promise<Answer> {
  const net = await network();
  if (!registry.bundle) await recall(net);
  if (registry.bundle) return fromBundle();
  const offer = await registry.ask();
  const allowed = allowedBits(offer, registry.elsewhere);
  const bits = registry.send(allowed, agreed);
  if (bits === 0 && offer.records > wholeMost) return fromBundle();
  const number = firstBits(hash, bits);
  const index = number.toString(16);
  const reply = must(await api.GET('/v1/names/range/{bits}/{index}', { params: { path: { bits, index } } }));
  const { records, hashes } = readRange(reply.records, bits, number);
  const at = asOf(net, reply.as_of);
  return {
    at, ready: reply.ready && isFresh(at), known: knownOfRange(at, bits, records, hashes),
    how: { kind: bits > 0 ? 'bits' : 'all', bits, index, hashes, among: Math.min(hashes, namesAmong(offer, registry.elsewhere, bits)), allowed, digest: null },
    changes: changesOf(records),
  };
}

const maxLag = 2; // blocks, as the server's own

/** Whether an answer is of about the newest block that the page knows of: a proxy may give an old copy. */
function isFresh(at: AsOf): boolean {
  return at.height + maxLag >= (chain.status?.height ?? 0);
}

function asOf(net: string, v: { height: number; hash: string; time: string } | null): AsOf {
  return { network: net, height: v?.height ?? 0, hash: v?.hash ?? '', time: v ? Date.parse(v.time) / 1000 : 0 };
}

async function fromBundle(): Promise<Answer> {
  const b = await download();
  await chain.refresh();
  const known = knownOfBundle(b);
  return {
    at: b.at, ready: chain.standing === 'ready' && isFresh(b.at), known,
    how: { kind: 'bundle', bits: 0, index: '0', hashes: known.hashes, among: known.hashes, allowed: 0, digest: b.digest() },
    changes: chain.status?.digest ?? '', // a bundle does not show all that happens
  };
}

const recalls = new Map<string, Promise<void>>();

/** Takes up the bundle of an earlier visit. */
export function recall(net: string): Promise<void> {
  const going = recalls.get(net) ?? takeUp(net).finally(() => recalls.delete(net));
  recalls.set(net, going);
  return going;
}

async function takeUp(net: string): Promise<void> {
  const kept = await loadBundle(net);
  if (!kept || registry.bundle) return;
  try {
    registry.bundle = readBundle(kept, net);
  } catch {
    await dropBundle(net);
  }
}

function readBundle(b: Uint8Array, net: string): Bundle {
  const bundle = Bundle.parse(b);
  if (bundle.at.network !== net) throw new BundleError(`of ${bundle.at.network}`);
  return bundle;
}

let underway: Promise<Bundle> | null = null;

/** Brings the bundle up to date, or fetches all of it. It is the same for everybody, so who asks meanwhile waits for the same. */
export function download(): Promise<Bundle> {
  underway ??= newest().finally(() => (underway = null));
  return underway;
}

async function newest(): Promise<Bundle> {
  const net = await network();
  if (!registry.bundle) await recall(net);
  const base = registry.bundle; // another may stand there before the answer has come
  const fetched = await fetchBundle(base?.at.hash);
  let next: Bundle;
  try {
    next = base && isDelta(fetched) ? base.apply(fetched) : readBundle(fetched, net);
  } catch (err) {
    if (!(err instanceof BundleError)) throw err;
    next = readBundle(await fetchBundle(), net); // only a whole one helps
  }
  if (next === base || registry.bundle !== base) return next; // forgotten meanwhile, it stays so
  registry.bundle = next;
  await storeBundle(net, next.bytes);
  return next;
}

async function fetchBundle(since?: string): Promise<Uint8Array> {
  return bytesOf(since ? `/v1/names/bundle?since=${since}` : '/v1/names/bundle', arrived);
}

/** How many bits to ask by for what a bundle does not have: no more than the visitor was shown. */
export async function bitsBeside(shown: number): Promise<number> {
  await network();
  return registry.send(Math.min(shown, allowedBits(await registry.ask(), registry.elsewhere)), shown);
}

/** What happened to some names, oldest first, asked for by so many bits of one's hash. */
export async function history(hash: Uint8Array, bits: number, wanted: readonly string[]): Promise<PastRecord[]> {
  const number = firstBits(hash, bits);
  const reply = must(await api.GET('/v1/names/range/{bits}/{index}/history', { params: { path: { bits, index: number.toString(16) } } }));
  return readHistory(reply.records, bits, number, wanted);
}

/** What there is to say of an input as a name of one type. */
export interface Facet {
  readonly type: Type;
  readonly name: Name | null; // null: a hash was given, or the text is no name of the type
  readonly hash: string | null;
  readonly state: Status | 'unreadable' | 'available' | 'behind' | 'invalid' | 'unasked';
  readonly rule: Rule | null;
  readonly entry: Entry | null;
  readonly value: string | null;
}

/** What was typed: a text, or a hash of a name that is not known. */
export type Question = { readonly text: string } | { readonly hash: string };

/** The hash that a question is about first: of the type that is looked at. Null: it is none of that type. */
export function hashFor(q: Question, type: Type): Uint8Array | null {
  if ('hash' in q) return parseHash(q.hash);
  const n = parseName(type, q.text);
  return isName(n) ? hashOf(n) : null;
}

/** All three types of a question, as far as an answer tells. */
export function facets(q: Question, a: Answer, asked: Uint8Array): Facet[] {
  return types.map((type) => {
    const none = { type, name: null, hash: null, rule: null, entry: null, value: null };
    const n = 'text' in q ? parseName(type, q.text) : null;
    if (n !== null && !isName(n)) return { ...none, state: 'invalid', rule: n };
    const hash = hashFor(q, type)!;
    const found = { ...none, name: n, hash: hex(hash) };
    const same = hex(hash) === hex(asked);
    if (!a.known.whole && !same) return { ...found, state: 'unasked' };
    const entry = a.known.find(type, hash);
    if (!entry) return { ...found, state: a.ready ? 'available' : 'behind' };
    const status = statusOf(type, entry, a.at);
    const b = n && entry.sealed.nonce ? open(n, entry.sealed) : null;
    const value = b && valueText(type, b, a.at.network);
    if (n && (status === 'registered' || status === 'expiring') && value === null) return { ...found, entry, state: 'unreadable' };
    return { ...found, entry, state: status, value };
  });
}

/** Opens a value of 2020 in a worker, which says how far it is, until the signal stops it. Null: it does not open. */
export function openLegacy(n: Name, entry: Entry, progress: (done: number) => void, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('../lib/argon2.worker.ts', import.meta.url), { type: 'module' });
    const fail = (): void => {
      worker.terminate();
      reject(new Error('out of memory, or stopped'));
    };
    signal.addEventListener('abort', fail, { once: true });
    worker.onmessage = (e: MessageEvent<{ progress: number } | { value: Uint8Array | null } | { failed: string }>) => {
      if ('progress' in e.data) return progress(e.data.progress);
      if ('failed' in e.data) return fail();
      worker.terminate();
      resolve(e.data.value && valueText('session', e.data.value, 'mainnet'));
    };
    worker.onerror = fail;
    worker.onmessageerror = fail;
    worker.postMessage({ name: { type: n.type, text: n.text }, ciphertext: entry.sealed.ciphertext });
  });
}
