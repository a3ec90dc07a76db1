import { expect, test } from 'vitest';
import { isName, parseName } from './name.js';
import { readNames } from './test/vectors.js';

test('takes every valid name, and folding twice changes nothing', () => {
  const names = readNames('name_valid.txt');
  expect(names.length).toBeGreaterThan(30);
  for (const { type, text } of names) {
    const n = parseName(type, text);
    expect(isName(n), `${type} ${text}: ${JSON.stringify(n)}`).toBe(true);
    if (isName(n)) expect(parseName(type, n.text)).toEqual(n);
  }
});

test('refuses every invalid name', () => {
  const names = readNames('name_invalid.txt');
  expect(names.length).toBeGreaterThan(50);
  for (const { type, text } of names) expect(isName(parseName(type, text)), `${type} ${JSON.stringify(text)}`).toBe(false);
});

test.each([
  ['session', '', 'empty'],
  ['session', 'x'.repeat(65), 'too_long'],
  ['session', 'x'.repeat(200), 'too_long'],
  ['session', 'a b', 'characters'],
  ['wallet', 'a-', 'hyphen'],
  ['lokinet', '.loki', 'label_empty'],
  ['lokinet', 'a_b.loki', 'label_characters'],
  ['lokinet', 'x'.repeat(33), 'label_long'],
  ['lokinet', 'ab--cd', 'reserved_hyphens'],
  ['lokinet', 'snode.loki', 'reserved'],
] as const)('%s %s: %s', (type, text, rule) => expect(parseName(type, text)).toBe(rule));
