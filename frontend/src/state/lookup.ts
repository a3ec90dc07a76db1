/**
 * Looks names up: by a range of hashes, in the whole registry, or in a bundle of it. Hashing and opening are done here; the name and its
 * hash go nowhere. Loaded when a name is first looked up, and cryptography with it.
 */
import { api, bytesOf, must } from '../api/client.js';
import { allowedBits, firstBits, rememberBits } from '../lib/bits.js';
import { Bundle, BundleError, isDelta } from '../lib/bundle.js';
import { hex } from '../lib/bytes.js';
import { hashOf, parseHash } from '../lib/hash.js';
import { isName, parseName, types, type Name, type Rule, type Type } from '../lib/name.js';
import { readHistory, readRange, type PastRecord } from '../lib/range.js';
import { knownOfBundle, knownOfRange, statusOf, type AsOf, type Entry, type Known, type Status } from '../lib/registry.js';
import { valueText } from '../lib/text.js';
import { open } from '../lib/value.js';
import { arrived } from './arriving.svelte.js';
import { chain } from './chain.svelte.js';
import { storage } from './preferences.svelte.js';
import { registry, wholeMost } from './registry.svelte.js';
import { dropBundle, loadBundle, storeBundle } from './stored.js';

/** How a look-up was answered, and what it revealed. */
export interface How {
  readonly kind: 'bits' | 'all' | 'bundle';
  readonly bits: number; // of the hash that were sent
  readonly index: string; // the range
  readonly hashes: number; // different ones in what was given
  readonly allowed: number; // bits that could be sent
  readonly digest: string | null; // of the bundle
}

export interface Answer {
  readonly at: AsOf;
  readonly ready: boolean; // it can tell what is not registered
  readonly known: Known;
  readonly how: How;
}

/** The network that is asked about. */
async function network(): Promise<string> {
  if (!chain.status) await chain.refresh();
  return chain.status?.network ?? '';
}

/** Answers for a hash, without a word of which it is beyond the bits that may be sent; more: as many as are allowed. */
export async function ask(hash: Uint8Array, more: boolean): Promise<Answer> {
  const net = await network();
  if (!registry.bundle) await recall(net);
  if (registry.bundle) return fromBundle();
  const offer = await registry.ask();
  const allowed = allowedBits(offer, registry.elsewhere);
  const bits = rememberBits(storage, net, allowed, more);
  if (bits === 0 && offer.records > wholeMost) return fromBundle();
  const number = firstBits(hash, bits);
  const index = number.toString(16);
  const reply = must(await api.GET('/v1/names/range/{bits}/{index}', { params: { path: { bits, index } } }));
  const { records, hashes } = readRange(reply.records, bits, number);
  const at = asOf(net, reply.as_of);
  return {
    at, ready: reply.ready && isFresh(at), known: knownOfRange(at, bits, records, hashes),
    how: { kind: bits > 0 ? 'bits' : 'all', bits, index, hashes, allowed, digest: null },
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
  await download();
  await chain.refresh();
  const b = registry.bundle!;
  const known = knownOfBundle(b);
  return {
    at: b.at, ready: chain.standing === 'ready' && isFresh(b.at), known,
    how: { kind: 'bundle', bits: 0, index: '0', hashes: known.hashes, allowed: 0, digest: b.digest() },
  };
}

/** Takes up the bundle of an earlier visit. */
export async function recall(net: string): Promise<void> {
  const kept = await loadBundle(net);
  if (!kept) return;
  try {
    registry.bundle = Bundle.parse(kept);
  } catch {
    await dropBundle(net);
  }
}

/** Brings the bundle up to date, or fetches all of it. It is the same for everybody. */
export async function download(): Promise<void> {
  const net = await network();
  if (!registry.bundle) await recall(net);
  const fetched = await fetchBundle(registry.bundle?.at.hash);
  let next: Bundle;
  try {
    next = registry.bundle && isDelta(fetched) ? registry.bundle.apply(fetched) : Bundle.parse(fetched);
  } catch (err) {
    if (!(err instanceof BundleError)) throw err;
    next = Bundle.parse(await fetchBundle()); // only a whole one helps
  }
  if (next.at.hash === registry.bundle?.at.hash) return;
  registry.bundle = next;
  await storeBundle(net, next.bytes);
}

async function fetchBundle(since?: string): Promise<Uint8Array> {
  return bytesOf(since ? `/v1/names/bundle?since=${since}` : '/v1/names/bundle', arrived);
}

/** What happened to the names of a hash, oldest first: of the range that was asked for, else of one that may be. */
export async function history(hash: Uint8Array, how: How, more: boolean): Promise<PastRecord[]> {
  let bits = how.bits;
  if (how.kind === 'bundle') {
    const offer = await registry.ask();
    bits = rememberBits(storage, await network(), allowedBits(offer, registry.elsewhere), more);
  }
  const number = firstBits(hash, bits);
  const reply = must(await api.GET('/v1/names/range/{bits}/{index}/history', { params: { path: { bits, index: number.toString(16) } } }));
  return readHistory(reply.records, bits, number, hex(hash));
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
    if (n && status !== 'needs_update' && value === null) return { ...found, entry, state: 'unreadable' };
    return { ...found, entry, state: status, value };
  });
}

/** Opens a value of 2020 in a worker, which says how far it is. Null: it does not open. */
export function openLegacy(n: Name, entry: Entry, progress: (done: number) => void): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('../lib/argon2.worker.ts', import.meta.url), { type: 'module' });
    const end = (): void => worker.terminate();
    worker.onmessage = (e: MessageEvent<{ progress: number } | { value: Uint8Array | null }>) => {
      if ('progress' in e.data) return progress(e.data.progress);
      end();
      resolve(e.data.value && valueText('session', e.data.value, 'mainnet'));
    };
    worker.onerror = () => {
      end();
      reject(new Error('out of memory, or stopped'));
    };
    worker.postMessage({ name: { type: n.type, text: n.text }, ciphertext: entry.sealed.ciphertext });
  });
}
