/** The names of an owner: in which order they stand, and as files that are made here. */
import { toCSV } from './csv.js';
import { types, type Type } from './name.js';
import type { Status } from './registry.js';

/** Of a name, what the list and the files say. */
export interface Owned {
  readonly type: Type;
  readonly name_hash: string;
  readonly status: Status;
  readonly owner: string;
  readonly backup_owner: string | null;
  readonly register_height: number;
  readonly update_height: number;
  readonly expiration_height: number | null;
  readonly expires_at: string | null;
  readonly txid: string;
}

export const sorts = ['name', 'type', 'status', 'registered', 'changed', 'expires'] as const;
export type Sort = (typeof sorts)[number];

export interface Order {
  readonly by: Sort;
  readonly down: boolean;
}

/** Reads an order, as "expires" or "-changed"; what ends first stands first by itself. */
export function parseOrder(text: string | null): Order {
  const down = text?.startsWith('-') ?? false;
  const by = sorts.find((s) => s === text?.slice(down ? 1 : 0));
  return by ? { by, down } : { by: 'expires', down: false };
}

export const writeOrder = (o: Order): string => (o.down ? '-' : '') + o.by;

const worst: readonly Status[] = ['expired', 'expiring', 'needs_update', 'registered'];

/** Sorts by one thing, and then by type and hash, so that it is the same each time. Names that never end stand last either way. */
export function sortOwned<N extends Owned>(list: readonly N[], order: Order, text: (n: N) => string | null): N[] {
  const key = (n: N): number | string => {
    switch (order.by) {
      case 'name':
        return text(n) ?? `~${n.name_hash}`; // "~" stands behind all that a name may have: those that were typed come first
      case 'type':
        return types.indexOf(n.type);
      case 'status':
        return worst.indexOf(n.status);
      case 'registered':
        return n.register_height;
      case 'changed':
        return n.update_height;
      case 'expires':
        return n.expiration_height ?? (order.down ? -Infinity : Infinity);
    }
  };
  const compare = (a: number | string, b: number | string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...list].sort((a, b) => {
    const first = compare(key(a), key(b)) * (order.down ? -1 : 1);
    return first || compare(types.indexOf(a.type), types.indexOf(b.type)) || compare(a.name_hash, b.name_hash);
  });
}

/** The list as comma-separated values (RFC 4180). */
export function asCSV<N extends Owned>(list: readonly N[], text: (n: N) => string | null): string {
  const head = ['type', 'name', 'name_hash', 'status', 'owner', 'backup_owner', 'register_height', 'update_height', 'expiration_height', 'expires_at', 'txid'];
  const rows = list.map((n) => [
    n.type, text(n), n.name_hash, n.status, n.owner, n.backup_owner, n.register_height, n.update_height, n.expiration_height, n.expires_at, n.txid,
  ]);
  return toCSV(head, rows);
}

/** Folds a line of a calendar after 75 bytes, never within a character (RFC 5545, 3.1). */
function fold(line: string): string {
  let out = '';
  let bytes = 0;
  for (const c of line) {
    const size = new TextEncoder().encode(c).length;
    if (bytes + size > 75) {
      out += '\r\n ';
      bytes = 1;
    }
    out += c;
    bytes += size;
  }
  return out + '\r\n';
}

const escaped = (s: string): string => s.replace(/[\\;,]/g, (c) => '\\' + c).replaceAll('\n', '\\n');
const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');

/** A calendar (RFC 5545) of when names end: a day each, with a reminder two weeks before. Names that never end are not in it. */
export function asCalendar<N extends Owned>(list: readonly N[], says: (n: N) => string, now: number): string {
  const lines = ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//onsight//names'];
  for (const n of list) {
    if (!n.expires_at || n.status === 'expired') continue;
    const day = stamp(Date.parse(n.expires_at)).slice(0, 8);
    lines.push(
      'BEGIN:VEVENT', `UID:${n.type}-${n.name_hash}-${n.expiration_height}@onsight`, `DTSTAMP:${stamp(now * 1000)}`, `DTSTART;VALUE=DATE:${day}`, `SUMMARY:${escaped(says(n))}`,
      'TRANSP:TRANSPARENT', 'BEGIN:VALARM', 'ACTION:DISPLAY', 'TRIGGER:-P14D', `DESCRIPTION:${escaped(says(n))}`, 'END:VALARM', 'END:VEVENT',
    );
  }
  lines.push('END:VCALENDAR');
  return lines.map(fold).join('');
}
