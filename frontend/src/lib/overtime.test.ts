import { expect, test } from 'vitest';
import { overTime, type Step } from './overtime.js';

const step = (hour: number, key: string, kind: string, noticed = hour): Step => ({ height: hour, time: `2026-01-01T${String(hour).padStart(2, '0')}:00:00Z`, node: { key, kind, noticed } });

test('counts are reckoned back from the list of now', () => {
  const nodes = [{ key: 'a', state: 'active' }, { key: 'b', state: 'decommissioned' }, { key: 'd', state: 'unlocking' }];
  const steps = [
    step(1, 'a', 'registered'), step(2, 'a', 'active'), step(3, 'b', 'decommissioned'), step(4, 'c', 'deregistered'), step(5, 'd', 'unlock_requested'),
    step(6, 'a', 'decommissioned', 9), { height: 8, time: null, node: { kind: 'undone', noticed: 8 } }, // which took the one before back
    step(7, 'a', 'ip_changed'),
  ];
  const points = overTime(nodes, steps, Date.parse('2026-01-01T10:00:00Z') / 1000);
  expect(points.map((p) => [p.counts.active, p.counts.unlocking, p.counts.decommissioned, p.counts.awaiting])).toEqual([
    [2, 0, 1, 0], [2, 0, 1, 1], [3, 0, 1, 0], [2, 0, 2, 0], [2, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0],
  ]);
  expect(points.map((p) => p.time)).toEqual(points.map((p) => p.time).toSorted((a, b) => a - b));
});

test('many steps become few points, and both ends stay', () => {
  const steps = Array.from({ length: 1000 }, (_, i) => ({ height: i, time: new Date(i * 60_000).toISOString(), node: { key: `k${i}`, kind: 'registered', noticed: i } }));
  const points = overTime(steps.map((s) => ({ key: s.node.key, state: 'active' })), steps, 1e6, 50);
  expect(points.length).toBeLessThanOrEqual(52);
  expect(points[0]!.counts.active).toBe(0);
  expect(points.at(-1)!.counts.active).toBe(1000);
});
