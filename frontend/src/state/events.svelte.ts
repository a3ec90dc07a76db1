/** The newest entries of the server's log, and what comes while the page is looked at. */
import { api, type Schemas } from '../api/client.js';

const shown = 10;
const kinds = 'buy,update,renew,transfer,expire,reorg,node';

export class Events {
  list = $state.raw<Schemas['LogEntry'][]>([]); // newest first
  state = $state<'loading' | 'there' | 'failed'>('loading');
  private stream: EventSource | null = null;
  private cursor = '';

  /** Follows the log until the returned function is called, but in no tab that nobody looks at. */
  follow(): () => void {
    const look = (): void => {
      if (document.hidden) this.close();
      else void this.open();
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
      this.close();
    };
  }

  private async open(): Promise<void> {
    if (this.stream) return;
    if (!this.cursor) {
      const answer = await api.GET('/v1/events', { params: { query: { after: 'now', limit: 1 } }, headers: { Accept: 'application/json' } }).catch(() => null);
      const page = answer?.data as Schemas['Log'] | undefined; // as it was asked for, not lines
      const [log, seq] = page?.next.split('-') ?? [];
      if (!log || seq === undefined) {
        this.state = 'failed';
        return;
      }
      // Numbers rise by one, and some entries are of other kinds: a few more are asked for than are shown.
      this.cursor = `${log}-${Math.max(0, Number(seq) - 4 * shown)}`;
    }
    if (document.hidden || this.stream) return;
    this.state = 'there';
    const query = new URLSearchParams({ after: this.cursor, kind: kinds });
    this.stream = new EventSource(`/v1/events/stream?${query}`);
    this.stream.onmessage = (e: MessageEvent<string>) => {
      if (e.lastEventId) this.cursor = e.lastEventId;
      if (!e.data) return;
      this.list = [JSON.parse(e.data) as Schemas['LogEntry'], ...this.list].slice(0, shown);
    };
  }

  private close(): void {
    this.stream?.close();
    this.stream = null;
  }
}
