/** What a text is taken for, and the page that it then has. */
import { unhex } from '../lib/bytes.js';
import { types } from '../lib/name.js';
import type { Kind, Recognised } from '../lib/recognise.js';
import { go } from '../router.svelte.js';
import { nodes } from './nodes.svelte.js';
import { registry } from './registry.svelte.js';

/** Whether it is known, without asking anybody, that there is such a one: of what this browser has already. */
export function isKnown(kind: Kind, text: string): boolean {
  if (kind === 'node') return nodes.find(text) !== undefined;
  const hash = kind === 'hash' ? unhex(text) : null;
  return hash?.length === 32 && types.some((type) => registry.bundle?.find(type, hash));
}

/** Goes to its page. Told: the visitor read what leaves the browser, and went on. */
export function follow(one: Recognised, told: boolean): void {
  switch (one.kind) {
    case 'hash':
      return go('/name', { hash: one.text });
    case 'name':
    case 'loki':
      return go('/name', { text: one.text });
    case 'owner':
      return go('/owner', { text: one.text, agreed: told });
  }
  go('/found', { kind: one.kind, text: one.text });
}
