import { expect, test } from 'vitest';
import { own } from './own.js';

test('a word of a server finds only what the table has', () => {
  const table = { buy: 'bought' };
  expect(own(table, 'buy')).toBe('bought');
  for (const word of ['constructor', '__proto__', 'toString', '', 'sell']) expect(own(table, word), word).toBeUndefined();
});
