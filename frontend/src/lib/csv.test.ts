import { expect, test } from 'vitest';
import { nodesCSV, toCSV } from './csv.js';

test('a table that spreadsheets read, and do not run', () => {
  const [head, row, end] = nodesCSV([{ key: 'ab', state: 'active', credit: -5, operator: '=1+"2",3', operator_fee: '461168601842738790', stake: '15000000000000', estimate: { tried: 4, lost: 1, p50: 0.25 } }]).split('\r\n');
  expect(head).toMatch(/^key,.*,ip,/);
  expect(row).toContain('"\'=1+""2"",3"');
  expect(row).toContain(',-5,');
  const cells = head!.split(',');
  expect(row).toContain(',0.025,15000000000000,');
  expect(cells.indexOf('stake_atomic') - cells.indexOf('operator_fee_share')).toBe(1);
  expect(row).toMatch(/,0\.25,,4,1$/);
  expect(end).toBe('');
  expect(toCSV(['a', 'b'], [[null, 'x\ny']])).toBe('a,b\r\n,"x\ny"\r\n');
});
