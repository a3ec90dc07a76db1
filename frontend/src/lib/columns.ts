/** The columns that a table of nodes may have, and those that it has unless the address says otherwise. */
export const columns = [
  'state', 'reachable', 'latency', 'p95', 'trend', 'loss', 'credit', 'proof', 'version', 'storage_version', 'lokinet_version', 'swarm', 'operator', 'ip', 'country', 'as', 'stake',
  'decommissions', 'registered', 'score',
] as const;
export type Column = (typeof columns)[number];

export const usual: readonly Column[] = ['state', 'latency', 'trend', 'credit', 'proof', 'version', 'swarm'];

/** Reads the parameter `columns`; what it does not know is left out. */
export function parseColumns(s: string | null): readonly Column[] {
  if (s === null) return usual;
  const want = s.split(',');
  return columns.filter((c) => want.includes(c));
}

/** What to write for a choice: null for the usual one, which no address needs to name. */
export function formatColumns(chosen: readonly Column[]): string | null {
  const all = columns.filter((c) => chosen.includes(c));
  return all.join() === usual.join() ? null : all.join() || 'none';
}

/** Widths in rem. */
export const width: Readonly<Record<Column, number>> = {
  state: 8.75, reachable: 9.5, latency: 5.5, p95: 5.5, trend: 6.75, loss: 5, credit: 6.75, proof: 6.25, version: 4.75, storage_version: 5, lokinet_version: 5, swarm: 9.75, operator: 7, ip: 8, country: 5,
  as: 8, stake: 7, decommissions: 8.5, registered: 7, score: 4.5,
};

/** Columns of numbers, which end at the right. */
export const numeric: ReadonlySet<Column> = new Set(['latency', 'p95', 'loss', 'decommissions', 'registered', 'score', 'stake']);
