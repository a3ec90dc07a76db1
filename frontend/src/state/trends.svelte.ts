/**
 * The latency of a day, for small pictures beside the nodes in view: one node is asked for after the other, each once in ten minutes, and
 * none that was scrolled past.
 */
import { SvelteMap } from 'svelte/reactivity';
import { api, AnswerError, must } from '../api/client.js';
import { bands, spanSeconds, within } from '../lib/series.js';

export type Trend = readonly (number | null)[] | null; // seconds; null: could not be had

const kept = 600_000; // milliseconds
const pause = 120; // between two requests, which count as five each
const drawn = 32; // values

class Trends {
  readonly have = new SvelteMap<string, { readonly at: number; readonly trend: Trend }>();
  private want: readonly string[] = [];
  private running = false;

  /** Says which nodes are in view. */
  see(keys: readonly string[]): void {
    this.want = keys;
    if (!this.running && keys.length > 0) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      for (;;) {
        const key = this.want.find((k) => Date.now() - (this.have.get(k)?.at ?? -kept) >= kept);
        if (!key || document.hidden) return;
        let wait = pause;
        try {
          // From a full hour on, so that all who ask within one share an answer.
          const from = String(Math.floor(Date.now() / 3_600_000) * 3600 - spanSeconds['1d']);
          const { objects } = must(await api.GET('/v1/nodes/{key}/history', { params: { path: { key }, query: { from } } }));
          this.have.set(key, { at: Date.now(), trend: bands(within(objects, '1d', Date.now() / 1000).points, drawn).map((b) => b.p50) });
        } catch (err) {
          if (err instanceof AnswerError && (err.status === 429 || err.status === 503)) wait = 1000 * (err.retryAfter ?? 5);
          else this.have.set(key, { at: Date.now(), trend: null });
        }
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    } finally {
      this.running = false;
    }
  }
}

export const trends = new Trends();
