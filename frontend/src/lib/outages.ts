/** Times that a node was out of service, of its events. */
import type { Schemas } from '../api/client.js';

export interface Outage {
  readonly began: Schemas['NodeEvent'];
  readonly ended: Schemas['NodeEvent'] | null; // back in service or gone; null: it lasts
}

/** Oldest first, as the events are. A decommission that none that ends it follows is ended by the next, which it cannot outlast. */
export function outages(events: readonly Schemas['NodeEvent'][]): Outage[] {
  const all: Outage[] = [];
  let began: Schemas['NodeEvent'] | null = null;
  for (const e of events) {
    switch (e.kind) {
      case 'decommissioned':
        if (began) all.push({ began, ended: e });
        began = e;
        break;
      case 'recommissioned':
      case 'active':
      case 'deregistered':
      case 'unlocked':
      case 'expired':
        if (began) all.push({ began, ended: e });
        began = null;
    }
  }
  if (began) all.push({ began, ended: null });
  return all;
}
