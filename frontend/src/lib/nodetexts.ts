/** What is said of nodes, in the words of a catalogue: the API's own are in English only. */
import type { Catalogue } from '../i18n/i18n.svelte.js';
import type { Facet } from './nodes.js';
import { own } from './own.js';

/** A value that nodes are filtered by, in words. */
export function facetText(t: Catalogue['nodes'], facet: Facet | string, value: string): string {
  switch (facet) {
    case 'state':
      return (t.states as Record<string, string>)[value] ?? value;
    case 'reachable':
      return (t.reach as Record<string, string>)[value] ?? value;
    case 'swarm':
      return value === 'none' ? t.noSwarm : value.length === 16 ? `${value.slice(0, 8)}…` : value;
    case 'country':
      return value === 'xz' ? '?' : value.toUpperCase();
    case 'as':
      return value === '0' ? '?' : `AS${value.replace(/^as/i, '')}`;
    case 'operator':
    case 'contributor':
      return value.length > 20 ? `${value.slice(0, 10)}…${value.slice(-4)}` : value;
    case 'latency':
    case 'credit':
    case 'proof_age':
      return own(t.ranges[facet], value) ?? value;
  }
  return value;
}

const assumptions: Readonly<Record<string, string>> = {
  'Blocks come every two minutes.': 'blocks',
  'A quorum tests the node as soon as it would fail, and agrees.': 'quorum',
  'No further uptime proof reaches the daemon asked.': 'noProof',
  'The storage server stays unreachable.': 'storage',
  'Lokinet stays unreachable.': 'lokinet',
  'The daemon asked does not test storage servers and lokinet: they are taken to be well.': 'untested',
  'Votes on checkpoints, blocks and time are not in the list: they are taken to be well.': 'noVotes',
  'The daemon asked has no uptime proof of the node: when that test fails is unknown.': 'notProved',
  'The node goes on failing its tests.': 'fails',
  'A node is not tested before its stake is complete.': 'awaiting',
};

/** An assumption of a forecast (`directory/forecast.go`); as it is where we have no words for it. */
export function assumptionText(t: Catalogue['node'], s: string): string {
  return own(t.assume, own(assumptions, s) ?? '') ?? s;
}

/** What speaks against a node (`directory/score.go`); as it is where we have no words for it. */
export function badText(t: Catalogue, s: string, number: (n: number) => string): string {
  const bad = t.node.bad;
  const state = /^it is (\w+)$/.exec(s)?.[1];
  if (state) return bad.state((t.nodes.states as Record<string, string>)[state] ?? state);
  const credit = /^it has (-?\d+) blocks of credit/.exec(s)?.[1];
  if (credit) return Number(credit) > 0 ? bad.credit(number(Number(credit))) : bad.creditUsed;
  switch (s) {
    case 'its address is unknown':
      return bad.nowhere;
    case 'it cannot be reached':
      return bad.down;
    case 'nobody has tried to reach it':
      return bad.untried;
    case 'its latency is not measured':
      return bad.unmeasured;
  }
  return s.startsWith('half of its answers take longer') ? bad.slow : s;
}

/** Why a place is not known. */
export function placeText(t: Catalogue['node'], reason: string): string {
  if (reason === 'the address is unknown') return t.placeUnknown.address;
  if (reason.startsWith('no database of countries')) return t.placeUnknown.country;
  if (reason.startsWith('no database of autonomous')) return t.placeUnknown.as;
  return t.placeUnknown.other;
}

/** Seconds as milliseconds, with as many digits as tell something. */
export function latencyText(t: Catalogue['nodes'], seconds: number | null | undefined, number: (n: number) => string): string {
  if (seconds === null || seconds === undefined) return '–';
  const ms = seconds * 1000;
  const digits = ms < 1 ? 100 : ms < 10 ? 10 : 1;
  return t.milliseconds(number(Math.round(ms * digits) / digits));
}

/** Atomic units as coins. */
export function coins(atomic: string | undefined, number: (n: number) => string): string {
  return /^\d+$/.test(atomic ?? '') ? number(Number(BigInt(atomic!) / 1000n) / 1e6) : (atomic ?? '');
}
