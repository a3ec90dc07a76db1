/** How many nodes there were of each state, reckoned back from the list of now by the log of what happened. */
export const shownStates = ['active', 'unlocking', 'decommissioned', 'awaiting'] as const;
export type Counts = Readonly<Record<(typeof shownStates)[number], number>>;

export interface Step {
  readonly height: number;
  readonly time: string | null;
  readonly node: { readonly key?: string; readonly kind: string; readonly noticed?: number };
}

/** What a node was before something happened to it; null: not on the list. */
const before: Readonly<Record<string, keyof Counts | null>> = {
  registered: null,
  active: 'awaiting',
  decommissioned: 'active',
  recommissioned: 'decommissioned',
  deregistered: 'decommissioned',
  unlock_requested: 'active',
  unlocked: 'unlocking',
  expired: 'active',
};

export interface Point {
  readonly time: number; // Unix seconds
  readonly counts: Counts;
}

/** Leaves out what a reorganisation took back. Steps are in the order of the log. */
function standing(steps: readonly Step[]): Step[] {
  const out: Step[] = [];
  for (const s of steps) {
    if (s.node.kind !== 'undone') out.push(s);
    else while (out.length > 0 && (out.at(-1)!.node.noticed ?? 0) > (s.node.noticed ?? s.height)) out.pop();
  }
  return out;
}

/** The counts before the first step and after each, oldest first, ending now. At most so many points. */
export function overTime(nodes: readonly { readonly key: string; readonly state: string }[], steps: readonly Step[], now: number, most = 160): Point[] {
  const state = new Map<string, string | null>(nodes.map((n) => [n.key, n.state]));
  const counts: Record<string, number> = Object.fromEntries(shownStates.map((s) => [s, 0]));
  for (const s of state.values()) if (s !== null && Object.hasOwn(counts, s)) counts[s]!++;
  const take = (): Counts => ({ ...counts }) as Counts;
  const points: Point[] = [{ time: now, counts: take() }];
  const done = standing(steps)
    .filter((s) => s.time !== null && s.node.key !== undefined && Object.hasOwn(before, s.node.kind))
    .map((s, i) => ({ at: Date.parse(s.time!) / 1000, i, key: s.node.key!, kind: s.node.kind }))
    .sort((a, b) => a.at - b.at || a.i - b.i);
  for (const s of done.toReversed()) {
    points.push({ time: s.at, counts: take() }); // as it was after it
    const was = state.get(s.key) ?? null;
    const is = before[s.kind]!;
    if (was !== null && Object.hasOwn(counts, was)) counts[was]!--;
    if (is !== null) counts[is]!++;
    state.set(s.key, is);
  }
  if (done.length > 0) points.push({ time: done[0]!.at - 1, counts: take() });
  points.reverse();
  // Of several at one moment the last counts; of too many, every so many-th, and always the ends.
  const distinct = points.filter((p, i) => points[i + 1]?.time !== p.time);
  const every = Math.ceil(distinct.length / most);
  return distinct.filter((_, i) => i % every === 0 || i === distinct.length - 1);
}
