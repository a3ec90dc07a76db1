import { expect, test } from 'vitest';
import { toCSV } from './csv.js';

test('a table that spreadsheets read, and do not run', () => {
  const [head, row] = toCSV([{ key: 'ab', state: 'active', credit: -5, operator: '=1+"2",3' }]).split('\r\n');
  expect(head).toMatch(/^key,state,ip,/);
  expect(row).toContain('"\'=1+""2"",3"');
  expect(row).toContain(',-5,');
});
