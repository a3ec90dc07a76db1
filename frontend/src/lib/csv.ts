/** The list of nodes as a table that every spreadsheet reads (RFC 4180). */
import type { Node } from './nodes.js';

const columns: readonly (readonly [string, (e: Node) => unknown])[] = [
  ['key', (e) => e.key],
  ['state', (e) => e.state],
  ['ip', (e) => e.ip],
  ['storage_port', (e) => e.ports?.storage],
  ['country', (e) => e.country],
  ['as', (e) => e.as],
  ['operator', (e) => e.operator],
  ['swarm', (e) => e.swarm],
  ['version', (e) => e.version],
  ['storage_version', (e) => e.storage_version],
  ['lokinet_version', (e) => e.lokinet_version],
  ['credit', (e) => e.credit],
  ['reachable', (e) => e.reachable],
  ['latency_p50_seconds', (e) => e.estimate?.p50],
  ['latency_p95_seconds', (e) => e.estimate?.p95],
  ['checks', (e) => e.estimate?.tried],
  ['checks_failed', (e) => e.estimate?.lost],
  ['score', (e) => e.score],
];

function cell(v: unknown): string {
  // A text that begins like a formula would be run as one by spreadsheets.
  const s = v === undefined || v === null ? '' : typeof v === 'string' ? v.replace(/^([=+@-])/, "'$1") : String(v);
  return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
}

export function toCSV(nodes: readonly Node[]): string {
  return [columns.map(([name]) => name), ...nodes.map((e) => columns.map(([, of]) => cell(of(e))))].map((row) => `${row.join(',')}\r\n`).join('');
}
