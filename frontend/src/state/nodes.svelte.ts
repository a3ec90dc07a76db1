/** The list of service nodes: loaded once, and from then on kept by patches of what changed. Everything that is asked of it is answered here. */
import { api, AnswerError, must, type Schemas } from '../api/client.js';
import { mergePatch } from '../lib/mergepatch.js';
import type { Node } from '../lib/nodes.js';
import { chain } from './chain.svelte.js';

const every = 5000; // milliseconds: nodes are measured between two blocks

class Nodes {
  list = $state.raw<readonly Node[]>([]); // by key; a node that did not change stays the same object
  asOf = $state.raw<Schemas['AsOf'] | null>(null);
  network = $state('');
  truncated = $state(0); // nodes that the list leaves out
  standing = $state<'loading' | 'there' | 'empty' | 'failed'>('loading'); // empty: the server has not read a list yet
  stale = $state(false); // the last request was not answered
  private map: Schemas['NodeMap'] | null = null;
  private tag = '';
  private nodes: ReadonlyMap<string, Node> = new Map();
  private asking: Promise<void> | null = null;
  private notBefore = 0; // milliseconds

  find(key: string): Node | undefined {
    void this.list;
    return this.nodes.get(key);
  }

  /** Brings the list up to date; calls at the same time are one. */
  refresh(): Promise<void> {
    return (this.asking ??= this.ask().finally(() => (this.asking = null)));
  }

  /** Tries at once, though the server asked to be left alone for a while: a visitor pressed for it. */
  retry(): Promise<void> {
    this.notBefore = 0;
    return this.refresh();
  }

  private async ask(): Promise<void> {
    if (Date.now() < this.notBefore) return;
    try {
      const since = /^(?:W\/)?"(.+)"$/.exec(this.tag)?.[1];
      const answer = await api.GET('/v1/nodes', {
        params: { query: since ? { since } : { form: 'map' as const } },
        headers: since ? { 'If-None-Match': this.tag } : {},
      });
      this.stale = false;
      if (answer.response.status === 304) return;
      const body: unknown = must(answer);
      const isPatch = answer.response.headers.get('Content-Type')?.startsWith('application/merge-patch+json');
      this.take((isPatch ? mergePatch(this.map, body) : body) as Schemas['NodeMap']);
      this.tag = answer.response.headers.get('ETag') ?? '';
    } catch (err) {
      // Whatever is wrong, it is tried again; after what is no list or no patch of ours, from the beginning.
      const said = err instanceof AnswerError ? err : null;
      if (!said) this.tag = '';
      this.notBefore = Date.now() + 1000 * (said?.retryAfter ?? 0);
      this.stale = true;
      if (!this.map) this.standing = said?.code === 'behind' ? 'empty' : 'failed';
    }
  }

  private take(map: Schemas['NodeMap']): void {
    if (typeof map.nodes !== 'object' || Array.isArray(map.nodes) || typeof map.network !== 'string') throw new TypeError('no list of nodes');
    const nodes = new Map<string, Node>();
    for (const key of Object.keys(map.nodes).sort()) {
      const before = this.map?.nodes[key] === map.nodes[key] ? this.nodes.get(key) : undefined;
      nodes.set(key, before ?? ({ ...map.nodes[key], key } as unknown as Node));
    }
    this.map = map;
    this.nodes = nodes;
    this.asOf = map.as_of;
    this.network = map.network;
    this.truncated = map.truncated;
    this.standing = 'there';
    this.list = [...nodes.values()];
  }

  /** Keeps up until the returned function is called, but in no tab that nobody looks at. */
  follow(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const round = async (): Promise<void> => {
      try {
        if (!document.hidden) await this.refresh();
      } finally {
        if (!over) timer = setTimeout(round, every);
      }
    };
    const look = (): void => {
      if (!document.hidden) void this.refresh();
    };
    void round();
    document.addEventListener('visibilitychange', look);
    const stop = $effect.root(() => {
      $effect(() => {
        if (chain.block) look(); // with every block
      });
    });
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
      stop();
    };
  }
}

export const nodes = new Nodes();
