import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { has, operationsOf, requestOf, type Document } from './openapi.js';

const doc = JSON.parse(readFileSync(new URL('../../../api/openapi.json', import.meta.url), 'utf8')) as Document;
const operations = operationsOf(doc);
const get = (id: string): (typeof operations)[number] => operations.find((o) => o.id === id)!;

test('every operation of the document is shown, with what it needs', () => {
  expect(operations.length).toBe(Object.values(doc.paths).reduce((n, methods) => n + Object.keys(methods).length, 0));
  for (const o of operations) {
    expect(o.summary, o.id).not.toBe('');
    expect(o.sample, o.id).toMatch(/^curl/);
    expect(o.answers.length, o.id).toBeGreaterThan(0);
  }
  expect(get('status').answers[0]!.fields.map((f) => f.name)).toContain('config');
});

test('samples fill in what is asked, and only what is harmless runs here', () => {
  const name = get('name');
  const values = Object.fromEntries(name.parameters.map((p) => [p.name, p.sample]));
  expect(requestOf(name, values)).toMatch(/^\/v1\/names\/session\/[0-9a-f]{64}$/);
  expect(requestOf(name, { ...values, hash: '' })).toBeNull();
  expect(requestOf(get('aggregate'), { by: 'state,version' })).toBe('/v1/nodes/aggregate?by=state,version');
  for (const o of operations) if (o.runs) expect(requestOf(o, Object.fromEntries(o.parameters.map((p) => [p.name, p.sample]))), o.id).not.toBeNull();
  expect(operations.filter((o) => o.runs && (o.method !== 'GET' || o.path.includes('admin') || o.id === 'eventStream'))).toEqual([]);
});

test('operations are found by words', () => {
  expect(operations.filter((o) => has(o, 'whole registry')).map((o) => o.id)).toContain('bundle');
  expect(operations.filter((o) => has(o, 'zzz'))).toEqual([]);
});
