/** What is known of the registry before a name is looked up: what the server offers, and whether all of it is here. */
import { api, must, type Schemas } from '../api/client.js';
import { allowedBits, bitsToSend, checkOffer, namesAmong, rememberBits, shippedNames, type Offer } from '../lib/bits.js';
import type { Bundle } from '../lib/bundle.js';
import { networks } from '../lib/network.js';
import { chain } from './chain.svelte.js';
import { preferences, storage } from './preferences.svelte.js';
import { hasBundle } from './stored.js';

/** Up to so many records the whole registry is asked for as a range, which says more of a name; above, as a bundle, which is smaller. */
export const wholeMost = 2000;

const bytesPerRecord = 570;
const bytesPerRow = 108;

/** How a name would be looked up now. */
export type Plan =
  | { readonly kind: 'here' } // in the bundle that is here; what changed since is asked for
  | { readonly kind: 'bits'; readonly bits: number; readonly among: number }
  | { readonly kind: 'all'; readonly bytes: number }
  | { readonly kind: 'unknown' }; // the server has not said what it offers

class RegistryState {
  offer = $state.raw<Schemas['Ranges'] | null>(null);
  bundle = $state.raw<Bundle | null>(null);
  private sends = $state(0); // what is remembered of bits is in no $state

  get plan(): Plan {
    if (this.bundle && (!this.network || this.bundle.at.network === this.network)) return { kind: 'here' };
    if (!this.offer || !this.network) return { kind: 'unknown' };
    if (this.bits > 0) return { kind: 'bits', bits: this.bits, among: this.among(this.bits) };
    return { kind: 'all', bytes: this.bytes };
  }

  /** The network that the server is of; null: it has not said, or a word that is none, which nothing is kept by. */
  get network(): string | null {
    const word = chain.status?.network;
    return word && networks.includes(word) ? word : null;
  }

  /** How many bits of a hash may be sent. */
  get allowed(): number {
    return this.offer ? allowedBits(this.offer, this.elsewhere) : 0;
  }

  /** How many would be: no more than ever before. */
  get bits(): number {
    void this.sends;
    return this.network ? bitsToSend(storage, this.network, this.allowed) : 0;
  }

  /** How many names share so many bits. */
  among(bits: number): number {
    return this.offer ? namesAmong(this.offer, this.elsewhere, bits) : 0;
  }

  /** Returns how many bits to send now, and keeps that; more than ever before only if the visitor agreed to so many. */
  send(allowed: number, agreed: number): number {
    const bits = this.network ? rememberBits(storage, this.network, allowed, agreed) : 0;
    this.sends++;
    return bits;
  }

  /** About how large all of it is. */
  get bytes(): number {
    const records = this.offer?.records ?? 0;
    return records * (records > wholeMost ? bytesPerRow : bytesPerRecord);
  }

  get bundleBytes(): number {
    return (this.offer?.records ?? 0) * bytesPerRow;
  }

  /** A count of names that is not the server's: no bundle's, which came from it, too. 0: there is none. */
  get elsewhere(): number {
    if (!this.network) return 0;
    return Math.max(this.network === 'mainnet' ? shippedNames : 0, preferences.names(this.network));
  }

  /** Takes up the bundle of an earlier visit. Only where there is one, what reads it is loaded. */
  async recall(network: string): Promise<void> {
    if (this.bundle || !(await hasBundle(network))) return;
    const lookup = await import('./lookup.js');
    await lookup.recall(network);
  }

  /** Asks what is offered, once a block. Throws RefusedError for too little to hide in. */
  async ask(): Promise<Offer> {
    if (this.offer && this.offer.as_of?.hash === chain.status?.hash) return this.offer;
    const offer = must(await api.GET('/v1/names/range'));
    checkOffer(offer);
    this.offer = offer;
    return offer;
  }
}

export const registry = new RegistryState();
