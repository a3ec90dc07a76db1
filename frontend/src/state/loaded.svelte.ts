/** Something that is asked for again and again: what is there stays until there is something newer. */
export class Loaded<T> {
  value = $state.raw<T | null>(null);
  trouble = $state.raw<unknown>(null); // why the newest attempt brought nothing
  busy = $state(false);
  private round = 0; // what an older one still brings is dropped

  async run(ask: () => Promise<T>): Promise<void> {
    const mine = ++this.round;
    this.busy = true;
    try {
      const value = await ask();
      if (mine === this.round) [this.value, this.trouble] = [value, null];
    } catch (err) {
      if (mine === this.round) this.trouble = err;
    } finally {
      if (mine === this.round) this.busy = false;
    }
  }

  /** Drops what is there, and what is still to come. */
  clear(): void {
    this.round++;
    [this.value, this.trouble, this.busy] = [null, null, false];
  }
}
