import { expect, test } from 'vitest';
import { asCalendar, asCSV, parseOrder, sortOwned, sorts, writeOrder, type Owned } from './owned.js';

const one = (hash: string, more: Partial<Owned> = {}): Owned => ({
  type: 'session', name_hash: hash, status: 'registered', owner: 'L', backup_owner: null, register_height: 1, update_height: 1, expiration_height: null, expires_at: null, txid: 't', ...more,
});
const hashes = (l: readonly Owned[]): string => l.map((n) => n.name_hash).join('');
const none = (): null => null;

test('an order is a word, and a hyphen turns it', () => {
  for (const by of sorts) for (const down of [false, true]) expect(parseOrder(writeOrder({ by, down }))).toEqual({ by, down });
  for (const bad of [null, '', '-', 'owner']) expect(parseOrder(bad)).toEqual({ by: 'expires', down: false });
});

test('what never ends stands last either way', () => {
  const list = [one('a'), one('b', { expiration_height: 9 }), one('c', { expiration_height: 5 })];
  expect(hashes(sortOwned(list, parseOrder('expires'), none))).toBe('cba');
  expect(hashes(sortOwned(list, parseOrder('-expires'), none))).toBe('bca');
});

test('names that were typed come first, in order', () => {
  const texts: Record<string, string> = { b: 'zoe', c: 'adam' };
  expect(hashes(sortOwned([one('a'), one('b'), one('c'), one('d')], parseOrder('name'), (n) => texts[n.name_hash] ?? null))).toBe('cbad');
});

test('what needs attention is first by status, and equals stand by type and hash', () => {
  const list = [one('d'), one('c', { status: 'expired' }), one('b', { type: 'lokinet' }), one('a', { status: 'needs_update' })];
  expect(hashes(sortOwned(list, parseOrder('status'), none))).toBe('cadb');
  expect(hashes(sortOwned(list, parseOrder('-changed'), none))).toBe('acdb');
});

test('CSV quotes what needs it', () => {
  const csv = asCSV([one('a', { backup_owner: 'x,"y"' })], () => 'alice');
  expect(csv).toBe('type,name,name_hash,status,owner,backup_owner,register_height,update_height,expiration_height,expires_at,txid\r\nsession,alice,a,registered,L,"x,""y""",1,1,,,t\r\n');
});

test('a calendar has the names that end, folded and escaped', () => {
  const ends = { type: 'lokinet', expiration_height: 7, expires_at: '2025-03-04T05:06:07Z' } as const;
  const text = asCalendar([one('a'), one('b', ends), one('c', { ...ends, status: 'expired' })], () => 'blocks.loki, läuft ab; ' + 'ü'.repeat(40), 0);
  expect(text.match(/BEGIN:VEVENT/g)).toHaveLength(1);
  expect(text).toContain('DTSTART;VALUE=DATE:20250304\r\n');
  expect(text).toContain('DTSTAMP:19700101T000000Z\r\n');
  expect(text).toContain('SUMMARY:blocks.loki\\, läuft ab\\; ');
  for (const line of text.split('\r\n')) expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(75);
  expect(text.endsWith('END:VCALENDAR\r\n')).toBe(true);
});
