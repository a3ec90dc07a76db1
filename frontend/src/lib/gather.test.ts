import { expect, test } from 'vitest';
import { gather, type Page } from './gather.js';

/** Pages of a list of so many numbers, each with so many at most. */
function pages(n: number, size: number): { asked: number[]; ask: (next: string | undefined, limit: number) => Promise<Page<number>> } {
  const asked: number[] = [];
  const ask = async (next: string | undefined, limit: number): Promise<Page<number>> => {
    asked.push(limit);
    const begin = Number(next ?? 0);
    const end = Math.min(n, begin + Math.min(size, limit));
    return { items: Array.from({ length: end - begin }, (_, i) => begin + i), next: end === n ? null : String(end) };
  };
  return { asked, ask };
}

test('short pages are gone on with until there is enough', async () => {
  const { asked, ask } = pages(100, 4);
  const { items, more } = await gather(ask, 10);
  expect([items.length, items.at(-1), more]).toEqual([10, 9, true]);
  expect(asked).toEqual([10, 6, 2]);
});

test('the end is known', async () => {
  expect(await gather(pages(7, 4).ask, 10)).toEqual({ items: [0, 1, 2, 3, 4, 5, 6], more: false });
  expect(await gather(pages(0, 4).ask, 10)).toEqual({ items: [], more: false });
});

test('empty pages do not go on for ever', async () => {
  let n = 0;
  const { items, more } = await gather(async () => ({ items: [], next: String(n++) }), 10);
  expect([items.length, more, n]).toEqual([0, true, 12]);
});
