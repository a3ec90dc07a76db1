/** The list of service nodes: loaded once, and then brought up to date by patches while a page that shows it is looked at. */
import { AnswerError, type Schemas } from '../api/client.js';
import type { Entry } from '../lib/entry.js';
import { mergePatch } from '../lib/mergepatch.js';
import { chain } from './chain.svelte.js';

interface ListMap {
  readonly nodes: Readonly<Record<string, Omit<Entry, 'key'>>>;
  readonly as_of: Schemas['AsOf'] | null;
  readonly network?: string;
}

class List {
  nodes = $state.raw<readonly Entry[]>([]); // by key
  asOf = $state.raw<Schemas['AsOf'] | null>(null);
  network = $state<string | null>(null);
  state = $state<'loading' | 'there' | 'empty' | 'failed'>('loading'); // "empty": no list has been read yet. What is there stays when asking fails
  private map: ListMap | null = null;
  private tag = '';
  private asking = false;

  /** Brings it up to date; several callers at a time are one. */
  async refresh(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      const question = this.map ? `since=${encodeURIComponent(this.tag)}` : 'form=map';
      const response = await fetch(`/v1/nodes?${question}`, {
        cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(20_000),
        ...(this.map && { headers: { 'If-None-Match': this.tag } }),
      });
      if (response.status === 304) return;
      if (!response.ok) throw new AnswerError(response.status, 'no_answer');
      const body: unknown = await response.json();
      const patch = response.headers.get('Content-Type')?.startsWith('application/merge-patch+json') ?? false;
      this.take((patch ? mergePatch(this.map, body) : body) as ListMap, response.headers.get('ETag') ?? '');
    } catch (e) {
      if (!this.map) this.state = e instanceof AnswerError && e.status === 503 ? 'empty' : 'failed';
    } finally {
      this.asking = false;
    }
  }

  private take(map: ListMap, tag: string): void {
    const before = new Map(this.nodes.map((n) => [n.key, n]));
    this.nodes = Object.entries(map.nodes)
      .map(([key, fields]) => (this.map?.nodes[key] === fields ? (before.get(key) ?? { ...fields, key }) : { ...fields, key }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    this.map = tag ? map : null;
    this.tag = tag;
    this.asOf = map.as_of;
    this.network = map.network ?? null;
    this.state = 'there';
  }

  /** For an effect: asks now and with every block, and twice a minute between, since measurements come at any time. */
  follow(): () => void {
    void chain.status?.hash;
    void this.refresh();
    const timer = setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, 30_000);
    return () => clearInterval(timer);
  }
}

export const list = new List();
