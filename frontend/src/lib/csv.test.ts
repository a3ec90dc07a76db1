import { expect, test } from 'vitest';
import { nodesCSV, toCSV } from './csv.js';

test('a table that spreadsheets read, and do not run', () => {
  const [head, row, end] = nodesCSV([{ key: 'ab', state: 'active', credit: -5, operator: '=1+"2",3', estimate: { tried: 4, lost: 1, p50: 0.25 } }]).split('\r\n');
  expect(head).toMatch(/^key,.*,ip,/);
  expect(row).toContain('"\'=1+""2"",3"');
  expect(row).toContain(',-5,');
  expect(row).toMatch(/,0\.25,,4,1$/);
  expect(end).toBe('');
  expect(toCSV(['a', 'b'], [[null, 'x\ny']])).toBe('a,b\r\n,"x\ny"\r\n');
});
