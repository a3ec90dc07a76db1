import { expect, test } from 'vitest';
import { recognise } from './recognise.js';

const key = 'a1'.repeat(32);
const snode = 'kcpyawm9se7trdbzncimdi5t7st4p5mh9i1mg7gkpuubi4k4ku1y';

test.each([
  ['', []],
  ['alice', ['name']],
  [' Alice ', ['name']],
  ['a b', ['name']],
  ['Ünal', ['name']],
  ['blocks.loki', ['loki']],
  ['.LOKI', ['loki']],
  ['05' + key, ['session_id']],
  [key, ['hash', 'node', 'txid', 'owner', 'name']],
  ['kosgNmlD4q/RHrwOri5TqTvxd6T881vMZNUDcE5l4gI=', ['hash']],
  ['kosgNmlD4q_RHrwOri5TqTvxd6T881vMZNUDcE5l4gI=', ['hash']],
  ['kosgNmlD4q/RHrwOri5TqTvxd6T881vMZNUDcE5l4gI', ['hash']],
  ['kosgNmlD4q_RHrwOri5TqTvxd6T881vMZNUDcE5l4gI', ['hash', 'name']],
  ['kosgNmlD4q_RHrwOri5TqTvxd6T881vMZNUDcE5l4gB', ['name']], // bits are left over
  [snode, ['node', 'name']],
  [snode + '.snode', ['node']],
  [snode + '.loki', ['loki_address']],
  ['127.0.0.1', ['ip']],
  ['256.0.0.1', ['name']],
  ['2001:db8::1', ['ip']],
  ['::', ['ip']],
  ['1:2:3', ['name']],
  ['LAkPhzcYonhYMFFH1cvBs2fJrVUcLTjCLf62t9EWJacVUpn6hrunDu4YmT48gNq1paBK9b9rViB8hCJMnKPBhVxV5fjVC9F', ['owner']],
  ['999', ['name', 'height']],
  ['1,234,567', ['height']],
])('%s', (text, kinds) => expect(recognise(text).map((r) => r.kind)).toEqual(kinds));

test('says which rule a name breaks', () => {
  expect(recognise('a b')).toEqual([{ kind: 'name', broken: 'characters' }]);
  expect(recognise('snode.loki')).toEqual([{ kind: 'loki', broken: 'reserved' }]);
});
