import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { requestOf, type Operation } from './openapi.js';
import { isCurl, quote } from './shell.js';

test('a shell takes what is quoted for one word', () => {
  for (const s of ['L1', 'a b', "it's", "';touch x;'", '$(id)', '`id`', 'a\nb', '"', '\\', '*', '!!', 'a,b', '', '~']) {
    expect(execFileSync('sh', ['-c', `printf %s ${quote(s)}`], { encoding: 'utf8' }), s).toBe(s);
  }
});

test('a path that was filled in ends no quotes', () => {
  const o = { path: '/v1/owners/{owner}', parameters: [{ name: 'owner', where: 'path', required: true }] } as unknown as Operation;
  const at = requestOf(o, { owner: "x';id;'" })!;
  expect(execFileSync('sh', ['-c', `printf %s ${quote(at)}`], { encoding: 'utf8' })).toBe(at);
});

test('only a plain curl is a sample', () => {
  for (const s of ["curl http://x/v1", "curl -H 'A: B' -d '{\"a\":1}' http://x/v1", "curl 'http://x/v1?a=1&b=2'"]) expect(isCurl(s), s).toBe(true);
  for (const s of ['curl x; id', 'curl $(id)', 'rm -r x', 'curl x\nid', "curl 'a'`id`", 'curl "$(id)"', 'curl x & id', 'curl x | sh', "curl 'a'b'", 'curl']) expect(isCurl(s), s).toBe(false);
});
