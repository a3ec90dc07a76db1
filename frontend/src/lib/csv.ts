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

const feeWhole = 18446744073709551612; // what operator_fee is a share of

/** What a table has of each node, with units where a number needs one: amounts in full, which is atomic, times as the API has them. */
const columns: readonly (readonly [string, (n: Node) => Cell])[] = [
  ...(['key', 'ed25519', 'x25519', 'state', 'reachable'] as const).map((f) => [f, (n: Node) => n[f]] as const),
  ['latency_seconds', (n) => n.latency],
  ...(['loss', 'score', 'credit', 'decommissions', 'proof', 'version', 'storage_version', 'lokinet_version',
    'swarm', 'operator'] as const).map((f) => [f, (n: Node) => n[f]] as const),
  ['operator_fee_share', (n) => (n.operator_fee === undefined ? undefined : Math.round((Number(n.operator_fee) / feeWhole) * 1e6) / 1e6)],
  ['stake_atomic', (n) => n.stake],
  ['required_atomic', (n) => n.required],
  ...(['ip', 'country', 'as', 'registered', 'since', 'unlock_height'] as const).map((f) => [f, (n: Node) => n[f]] as const),
  ['storage_port', (n) => n.ports?.storage],
  ['latency_p50_seconds', (n) => n.estimate?.p50],
  ['latency_p95_seconds', (n) => n.estimate?.p95],
  ['checks', (n) => n.estimate?.tried],
  ['checks_failed', (n) => n.estimate?.lost],
];

export function nodesCSV(nodes: readonly Node[]): string {
  return toCSV(columns.map(([name]) => name), nodes.map((n) => columns.map(([, of]) => of(n))));
}
