import { expect, test } from 'vitest';
import { changed, lookalikes } from './lookalike.js';
import { isName, parseName, type Type } from './name.js';
import { readJSON } from './test/vectors.js';

test('the same ones as Go, in the same order', () => {
  for (const { type, name, near } of readJSON<{ lookalikes: { type: Type; name: string; near: string[] }[] }>('browser.json').lookalikes) {
    const n = parseName(type, name);
    if (!isName(n)) throw new Error(name);
    expect(lookalikes(n, 60).map((m) => m.text)).toEqual(near);
    for (const m of changed(n)) expect(changed(m).map((o) => o.text)).toContain(n.text); // of a pair, each looks like the other
  }
});
