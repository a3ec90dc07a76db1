/** Which swarm keeps an account's messages: `internal/snode/id.go`. Worked out here, so that nobody learns whose it is. */
import { unhex } from './bytes.js';
import { works } from './traits.js';
import type { Node } from './nodes.js';

export const least = 5; // members below which a swarm is at risk: the network dissolves or refills it
const ring = (1n << 64n) - 1n;

export interface Swarm {
  readonly id: string; // 16 hexadecimal digits
  readonly members: readonly Node[];
}

/** The swarms of a list, by id. */
export function swarmsOf(entries: readonly Node[]): Swarm[] {
  const all = new Map<string, Node[]>();
  for (const e of entries) {
    if (!/^[0-9a-f]{16}$/.test(e.swarm ?? '') || e.swarm === undefined || e.state === 'gone') continue;
    const members = all.get(e.swarm);
    if (members) members.push(e);
    else all.set(e.swarm, [e]);
  }
  return Array.from(all, ([id, members]) => ({ id, members })).sort((a, b) => (a.id < b.id ? -1 : 1));
}

export const atRisk = (s: Swarm): boolean => s.members.length < least;

/** Whether a member can answer: it works, and is not known to be down. */
export const answers = (e: Node): boolean => works(e) && e.reachable !== 'down';

/** Where on the ring an account lies; null if a text is no id: 66 hexadecimal digits. */
export function position(account: string): bigint | null {
  const b = unhex(account.trim());
  if (b?.length !== 33) return null;
  const view = new DataView(b.buffer, b.byteOffset + 1, 32);
  let p = 0n;
  for (let i = 0; i < 32; i += 8) p ^= view.getBigUint64(i);
  return p;
}

/** The nearest of ids, which ascend, on the ring modulo 2⁶⁴; of two equally near ones the left. null: there is none. */
export function choose(ids: readonly string[], at: bigint): string | null {
  if (ids.length === 0) return null;
  const value = (i: number): bigint => BigInt(`0x${ids[i]!}`);
  let i = 0;
  while (i < ids.length && value(i) < at) i++;
  const right = i % ids.length;
  const left = (i + ids.length - 1) % ids.length;
  return ids[((value(right) - at) & ring) < ((at - value(left)) & ring) ? right : left]!;
}

/** How far around the ring something lies, from 0 up to 1. */
export const turn = (at: bigint): number => Number(at >> 11n) / 2 ** 53;
