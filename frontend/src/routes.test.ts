import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import patterns from './routes.json';

test('the server knows every page, and no other', () => {
  const source = readFileSync(new URL('./routes.ts', import.meta.url), 'utf8');
  expect(Array.from(source.matchAll(/pattern: '([^']+)'/g), (m) => m[1])).toEqual(patterns);
});
