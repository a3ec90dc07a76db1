/** Tables that every spreadsheet reads (RFC 4180), and runs nothing of. */
import type { Node } from './nodes.js';

export type Cell = string | number | boolean | null | undefined;

function quoted(v: Cell): string {
  if (v === undefined || v === null) return '';
  if (typeof v !== 'string') return String(v);
  const s = /^[=+\-@\t\r]/.test(v) ? `'${v}` : v; // a spreadsheet would reckon it
  return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
}

export function toCSV(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [head, ...rows].map((row) => `${row.map(quoted).join(',')}\r\n`).join('');
}

/** What a table has of each node: amounts atomic and times as the API has them. */
const columns: readonly (readonly [string, (n: Node) => Cell])[] = [
  ...(['key', 'ed25519', 'x25519', 'state', 'reachable', 'latency', 'loss', 'score', 'credit', 'decommissions', 'proof', 'version', 'storage_version', 'lokinet_version',
    'swarm', 'operator', 'operator_fee', 'stake', 'required', 'ip', 'country', 'as', 'registered', 'since', 'unlock_height'] as const).map((f) => [f, (n: Node) => n[f]] as const),
  ['storage_port', (n) => n.ports?.storage],
  ['latency_p50', (n) => n.estimate?.p50],
  ['latency_p95', (n) => n.estimate?.p95],
  ['checks', (n) => n.estimate?.tried],
  ['checks_failed', (n) => n.estimate?.lost],
];

export function nodesCSV(nodes: readonly Node[]): string {
  return toCSV(columns.map(([name]) => name), nodes.map((n) => columns.map(([, of]) => of(n))));
}
