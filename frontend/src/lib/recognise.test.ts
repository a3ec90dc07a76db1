import { expect, test } from 'vitest';
import { near, recognise, wrongIn } from './recognise.js';

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
  ['600.000', ['height']],
  ['1.234.567', ['height']],
  ['1.234,567', ['name']],
  ['0x' + key, ['hash', 'node', 'txid', 'owner']],
  ['127.25.40.234:37305', ['ip']],
  ['[::1]', ['ip']],
  ['[::1]:22021', ['ip']],
  ['::ffff:1.2.3.4', ['ip']],
  ['@alice', ['name']],
  ['www.alice.loki', ['loki']],
  ['alice.loki.', ['loki']],
])('%s', (text, kinds) => expect(recognise(text).map((r) => r.kind)).toEqual(kinds));

test('says which rule a name breaks', () => {
  expect(recognise('a b')).toEqual([{ kind: 'name', broken: 'characters', text: 'a b' }]);
  expect(recognise('snode.loki')).toEqual([{ kind: 'loki', broken: 'reserved', text: 'snode.loki' }]);
});

test.each([
  ['127.25.40.234:37305', '127.25.40.234'],
  ['[2001:db8::1]:22', '2001:db8::1'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['600.000', '600000'],
  ['0x' + key, key],
  ['www.alice.loki', 'alice.loki'],
  ['alice.loki.', 'alice.loki'],
  ['@Alice', 'Alice'],
])('%s is looked up as %s', (text, as) => expect(recognise(text)[0]?.text).toBe(as));

test('what is known to be there comes first', () => {
  expect(recognise(key, (kind) => kind === 'node').map((r) => r.kind)).toEqual(['node', 'hash', 'txid', 'owner', 'name']);
});

test('names the characters that are wrong, and names that come near', () => {
  expect(wrongIn('session', 'no spaces!')).toEqual([' ', '!']);
  expect(wrongIn('lokinet', 'a_b.loki')).toEqual(['_']);
  expect(near('session', 'no spaces')).toEqual(['no-spaces', 'nospaces']);
  expect(near('session', 'Ünal')).toEqual(['unal']);
  expect(near('lokinet', 'a_b.loki')).toEqual(['a-b.loki', 'ab.loki']);
  expect(near('session', '…')).toEqual([]);
  expect(wrongIn('session', 'a.loki')).toEqual(['.']);
});
