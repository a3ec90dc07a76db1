/** The server's log, from any entry on: what came before, page by page, and what comes, without loss across cut connections. */
import { api, AnswerError, must, type Schemas } from '../api/client.js';
import { append, askKinds, logOf, numberOf, prepend, type LogKind } from '../lib/log.js';

export type Entry = Schemas['LogEntry'];

const page = 50; // entries that are looked for at a time
const window = 1000; // numbers that are looked through first: at most the longest page
const widest = 16_000; // below what the server looks through at a time
const most = 3000; // entries that are kept
const silence = 40_000; // milliseconds without a word, not even the one each 15 seconds, after which a connection is taken for dead
const longest = 30_000; // milliseconds between two attempts
const steady = 10_000; // milliseconds after which a connection counts as one that holds
const mostWindows = 16; // that one press looks through: with numbers that a server makes up it would never be done
const mostPages = 64; // of one window

export type FeedState = 'loading' | 'live' | 'waiting' | 'failed';

export class Feed {
  list = $state.raw<Entry[]>([]); // newest first
  state = $state<FeedState>('loading');
  paused = $state(false);
  held = $state.raw<Entry[]>([]); // what came while it was paused, newest first
  more = $state(false); // there are older ones
  searching = $state(false); // for older ones
  reset = $state(false); // the server began another log while this one was read

  private log = '';
  private low = 0; // number of the oldest entry that was looked at
  private cursor = ''; // of the newest
  private stream: EventSource | null = null;
  private alarm: ReturnType<typeof setTimeout> | undefined; // when silence is too long, or to try again
  private attempts = 0;
  private closed = false;
  private opening = false;
  private round = 0; // of the log: what an older one still brings is dropped
  private begun = 0; // times that the server began another log since a connection held
  private opened = 0; // when the connection was, in milliseconds; 0: it is not

  constructor(
    private readonly kinds: readonly LogKind[],
    private readonly size: { readonly page: number; readonly window: number } = { page, window },
  ) {}

  /** Follows the log until the returned function is called, but in no tab that nobody looks at. */
  follow(): () => void {
    const look = (): void => {
      if (document.hidden) this.cut();
      else void this.open();
    };
    // A connection that the machine lost is silent for long; this says so at once.
    const lose = (): void => {
      this.cut();
      this.state = 'waiting';
    };
    const find = (): void => void this.retry();
    look();
    document.addEventListener('visibilitychange', look);
    addEventListener('offline', lose);
    addEventListener('online', find);
    return () => {
      this.closed = true;
      removeEventListener('offline', lose);
      removeEventListener('online', find);
      document.removeEventListener('visibilitychange', look);
      this.cut();
    };
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.list = prepend(this.list, [...this.held].reverse());
    this.held = [];
    this.trim();
  }

  /** Tries at once, instead of when it is time. */
  async retry(): Promise<void> {
    this.cut();
    this.attempts = 0;
    await this.open();
  }

  /** Looks for older entries of these kinds: through more numbers at a time where there are few. */
  async older(): Promise<void> {
    if (this.searching || !this.more) return;
    this.searching = true;
    const mine = this.round;
    try {
      const before = this.list.length;
      let width = this.size.window;
      for (let windows = 0; windows < mostWindows && this.more && this.list.length < before + this.size.page; windows++) {
        const begin = Math.max(0, this.low - 1 - width);
        width = Math.min(width * 4, widest);
        const found: Entry[] = [];
        let after = begin;
        // A page may end early: it is gone on until the window is through.
        for (let pages = 0; after < this.low - 1; pages++) {
          if (pages === mostPages) throw new AnswerError(0, 'endless');
          const log = await this.ask(`${this.log}-${after}`, window);
          if (this.closed || mine !== this.round) return;
          found.push(...log.events.filter((e) => numberOf(e.cursor) < this.low));
          const next = numberOf(log.next);
          if (next <= after) break;
          after = next;
        }
        this.list = append(this.list, found);
        this.low = begin + 1;
        this.more = begin > 0;
      }
    } catch {
      if (mine === this.round && !this.stream) this.state = 'failed';
    } finally {
      if (mine === this.round) this.searching = false;
    }
  }

  private async ask(after: string, limit: number): Promise<Schemas['Log']> {
    const query = { after, limit, kind: askKinds(this.kinds) };
    return must(await api.GET('/v1/events', { params: { query }, headers: { Accept: 'application/json' } })) as Schemas['Log']; // as it was asked for, not lines
  }

  private async open(): Promise<void> {
    if (this.stream || this.closed || this.opening) return;
    clearTimeout(this.alarm);
    this.opening = true;
    try {
      if (!this.cursor) await this.begin();
      else if (this.attempts > 0) await this.ask(this.cursor, 1); // whether the log is still there, which a stream does not say
    } catch (err) {
      const said = err instanceof AnswerError ? err : null;
      if (said?.status === 410) {
        this.forget();
        return this.later(this.begun++ === 0 ? 0 : null); // a server that begins one after the other is not asked without a pause
      }
      this.state = this.list.length === 0 ? 'failed' : 'waiting';
      return this.later(said?.retryAfter ?? null);
    } finally {
      this.opening = false;
    }
    if (document.hidden || this.closed || this.stream) return;
    this.connect();
  }

  /** Finds the log's end, and what came last. */
  private async begin(): Promise<void> {
    const { next: head } = await this.ask('now', 1);
    this.log = logOf(head);
    this.low = numberOf(head) + 1;
    this.more = this.low > 1;
    await this.older();
    this.cursor = head;
  }

  private connect(): void {
    const query = new URLSearchParams({ after: this.cursor, kind: askKinds(this.kinds) });
    const stream = new EventSource(`/v1/events/stream?${query}`);
    this.stream = stream;
    stream.onopen = () => {
      if (this.stream !== stream) return;
      this.state = 'live';
      this.opened = Date.now();
      this.listen();
    };
    stream.onmessage = (e: MessageEvent<string>) => {
      this.listen();
      if (e.lastEventId) this.cursor = e.lastEventId;
      if (!e.data) return;
      try {
        this.take(JSON.parse(e.data) as Entry);
      } catch {
        // An entry that cannot be read is left out.
      }
    };
    stream.onerror = () => {
      // It may try again by itself, but neither knows of servers that are busy nor when to give up: it is done here.
      if (this.stream !== stream) return;
      this.cut();
      this.state = 'waiting';
      this.later(null);
    };
  }

  private take(e: Entry): void {
    if (this.paused && this.held.length < most) {
      this.held = prepend(this.held, [e]);
      return;
    }
    if (this.paused) this.resume(); // nobody comes back to it
    this.list = prepend(this.list, [e]);
    this.trim();
  }

  /** Lets go of the oldest where there are too many; they can be asked for again. */
  private trim(): void {
    if (this.list.length <= most) return;
    this.list = this.list.slice(0, most);
    this.low = numberOf(this.list.at(-1)!.cursor);
    this.more = true;
  }

  private listen(): void {
    clearTimeout(this.alarm);
    this.alarm = setTimeout(() => {
      this.cut();
      this.state = 'waiting';
      this.later(null);
    }, silence);
  }

  private later(seconds: number | null): void {
    if (this.closed || document.hidden) return;
    const wait = seconds === null ? Math.min(longest, 500 * 2 ** this.attempts) : seconds * 1000;
    this.attempts++;
    clearTimeout(this.alarm);
    this.alarm = setTimeout(() => void this.open(), wait);
  }

  private cut(): void {
    clearTimeout(this.alarm);
    // One that was accepted and closed at once does not count: it would be asked for again without end.
    if (this.opened > 0 && Date.now() - this.opened >= steady) [this.attempts, this.begun] = [0, 0];
    this.opened = 0;
    this.stream?.close();
    this.stream = null;
  }

  private forget(): void {
    this.cut();
    [this.list, this.held, this.cursor, this.log, this.reset] = [[], [], '', '', true];
    this.state = 'loading';
    this.round++;
    this.searching = false;
  }
}
