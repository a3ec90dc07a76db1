/** Lists that come in pages, which may be short, or empty, and still have a next one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface Gathered<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

const mostPages = 12; // for one press of a button: a filter for something rare is not worth more

/** Asks for pages until there are as many items as wanted, or all. */
export async function gather<T>(ask: (next: string | undefined, limit: number) => Promise<Page<T>>, want: number): Promise<Gathered<T>> {
  const items: T[] = [];
  let next: string | undefined;
  for (let i = 0; i < mostPages && items.length < want; i++) {
    const page = await ask(next, Math.min(1000, want - items.length));
    items.push(...page.items);
    if (page.next === null) return { items, more: false };
    next = page.next;
  }
  return { items, more: true };
}
