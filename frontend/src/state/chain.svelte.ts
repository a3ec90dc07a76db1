/** Where the chain and its index stand, asked anew while the page is looked at. */
import { api, must, type Schemas } from '../api/client.js';

const every = 5000; // milliseconds

export type Standing = 'loading' | 'ready' | 'behind' | 'lost';

class Chain {
  status = $state.raw<Schemas['Status'] | null>(null);
  lost = $state(false); // the last request was not answered
  now = $state(Date.now() / 1000); // seconds
  block = $derived(this.status?.hash ?? ''); // hash of the newest one; what depends on it is not done again with every status
  reorg = $state.raw<Schemas['Reorg'] | null>(null); // that came while the page was looked at; the visitor may put it away
  private round = 0;
  private newest = 0; // the last round that was answered
  private noticing = 0; // the round that asks for reorganisations
  private lastReorg: number | null = null; // its number; null: not asked yet

  /** "behind": it cannot tell what is not registered. "lost": what is shown is as of the last answer. */
  get standing(): Standing {
    if (this.lost) return 'lost';
    if (!this.status) return 'loading';
    return this.status.ready ? 'ready' : 'behind';
  }

  async refresh(): Promise<void> {
    const mine = ++this.round;
    try {
      const next = must(await api.GET('/v1/status'));
      if (mine < this.newest) return; // a later one was answered first
      this.newest = mine;
      const moved = next.hash !== this.status?.hash;
      this.status = next;
      this.lost = false;
      if (moved) void this.noticeReorg();
    } catch {
      if (mine >= this.newest) this.lost = true;
    } finally {
      this.now = Date.now() / 1000;
    }
  }

  /** Says nothing of the server if it fails: a status that came is a status. */
  private async noticeReorg(): Promise<void> {
    const mine = this.newest;
    this.noticing = mine;
    try {
      const newest = must(await api.GET('/v1/reorgs', { params: { query: { limit: 1 } } })).reorgs[0];
      if (mine !== this.noticing) return;
      if (this.lastReorg !== null && newest && newest.id > this.lastReorg) this.reorg = newest;
      this.lastReorg = newest?.id ?? 0;
    } catch {
      // The next block asks again.
    }
  }

  /** Keeps up with it, but in no tab that nobody looks at. Call it once. */
  start(): void {
    const round = async (): Promise<void> => {
      if (!document.hidden) await this.refresh();
      setTimeout(round, every);
    };
    void round();
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.refresh();
    });
  }
}

export const chain = new Chain();
