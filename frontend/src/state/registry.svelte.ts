/** What is known of the registry before a name is looked up: what the server offers, and whether all of it is here. */
import { api, must, type Schemas } from '../api/client.js';
import { allowedBits, bitsToSend, checkOffer, type Offer } from '../lib/bits.js';
import type { Bundle } from '../lib/bundle.js';
import { chain } from './chain.svelte.js';
import { storage } from './preferences.svelte.js';
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

  get plan(): Plan {
    if (this.bundle) return { kind: 'here' };
    const network = chain.status?.network;
    if (!this.offer || !network) return { kind: 'unknown' };
    const bits = bitsToSend(storage, network, allowedBits(this.offer, this.elsewhere), false);
    if (bits > 0) return { kind: 'bits', bits, among: Math.round(this.offer.hashes / (1 << bits)) };
    return { kind: 'all', bytes: this.bytes };
  }

  /** About how large all of it is. */
  get bytes(): number {
    const records = this.offer?.records ?? 0;
    return records * (records > wholeMost ? bytesPerRow : bytesPerRecord);
  }

  get bundleBytes(): number {
    return (this.offer?.records ?? 0) * bytesPerRow;
  }

  /** A count of names that does not rest on the server's word of the day: of the bundle that is here. 0: there is none. */
  get elsewhere(): number {
    return this.bundle?.hashes() ?? 0;
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
