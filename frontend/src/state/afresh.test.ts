import { beforeEach, expect, test, vi } from 'vitest';
import { afresh, afreshOnce, entryOf } from './afresh.js';

const html = (n: string): string => `<head><script type="module" crossorigin src="/assets/index-${n}.js"></script></head>`;
let answer: () => Promise<Response>;
let state: unknown;
const reload = vi.fn();
vi.stubGlobal('fetch', () => answer());
vi.stubGlobal('location', { origin: 'http://x', reload });
vi.stubGlobal('document', { documentElement: { outerHTML: html('a') } });
vi.stubGlobal('history', {
  get state() {
    return state;
  },
  replaceState: (next: unknown) => (state = next),
});
beforeEach(() => {
  reload.mockClear();
  state = { entry: 'e' };
});

test('the script that a page begins with', () => {
  expect(entryOf(html('a'))).toBe('/assets/index-a.js');
  expect(entryOf('<p>502</p>')).toBe('');
});

test('other files are loaded once, and the same ones never by themselves', async () => {
  answer = async () => new Response(html('b'));
  expect(await afreshOnce()).toBe(true);
  expect(state).toEqual({ entry: 'e', afresh: true });
  expect(await afreshOnce()).toBe(false); // two servers that take turns would have it go on without end
  expect(reload).toHaveBeenCalledTimes(1);
  state = null;
  answer = async () => new Response(html('a'));
  expect(await afreshOnce()).toBe(false);
  expect(reload).toHaveBeenCalledTimes(1);
});

test.each([
  () => Promise.reject(new TypeError('Failed to fetch')),
  async () => new Response('<p>bad gateway</p>', { status: 502 }),
  async () => new Response('<p>captive portal</p>'),
])('what is no page of ours is not loaded', async (none) => {
  answer = none;
  expect([await afreshOnce(), await afresh()]).toEqual([false, false]);
  expect(reload).not.toHaveBeenCalled();
});
