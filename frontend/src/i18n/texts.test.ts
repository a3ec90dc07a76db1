import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { de } from './de.js';
import { en } from './en.js';

/** All texts of a catalogue by their paths. */
function texts(o: unknown, path: string[] = []): [string, unknown][] {
  if (typeof o !== 'object' || o === null) return [[path.join('.'), o]];
  return Object.entries(o).flatMap(([k, v]) => texts(v, [...path, k]));
}
const leaves = (o: unknown): string[] => texts(o).map(([path]) => path);

test('German has every text that English has, and none is empty', () => {
  expect(leaves(de)).toEqual(leaves(en));
  for (const catalogue of [en, de]) expect(JSON.stringify(catalogue)).not.toMatch(/:""/);
});

test('German is not English', () => {
  const german = new Map(texts(de));
  const same = texts(en).flatMap(([path, text]) => (typeof text === 'string' && text === german.get(path) ? [path] : []));
  const meant = ['title', 'nav.name', 'nav.api', 'box.placeholder', 'name.title', 'name.hash', 'name.doctorClient'];
  meant.push('nodes.field.version', 'nodes.field.lokinet_version', 'node.service.lokinet'); // names of programs
  meant.push('names.gini', 'names.hhi', 'owner.columns.name');
  meant.push('api.title', 'network.gini', 'network.services.lokinet_version', 'network.services.version', 'privacy.rows.1.0', 'privacy.rows.7.0');
  expect(same.filter((p) => !/^(types|clients)\./.test(p)).sort()).toEqual(meant.sort());
});

test('no text is left over', () => {
  const source = readdirSync(new URL('..', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((f) => /\.(svelte|ts)$/.test(f) && !f.startsWith('i18n') && !f.endsWith('.test.ts'))
    .map((f) => readFileSync(new URL(`../${f}`, import.meta.url), 'utf8'))
    .join('\n');
  // Of lists whose texts are chosen by a value, the list must be used.
  const lists = /^(types|rules|kinds|theme|keys\.list|chain\.(ready|behind|lost|loading)|clients|why|advice|home\.(states|howSteps)|nav|events\.(name|node)|name\.(states|says|value|howKind|kinds|next)|names\.(measures|within|why)|owner\.(roles|columns)|log\.(kinds|states|reasons)|reorgs\.show)\b/;
  const nodeLists = /^(nodes\.(view|ranges|states|reach|field|fieldWhy)|node\.(stateSays|service|spans|assume|test|reason|term|event))\b/;
  const netLists = /^(traits|flaws|status\.(words|limitNames)|choose\.(strategies|strategyWhy|terms|words)|network\.(services|states|by)|privacy\.(rows|keptNames)|api\.tags|data\.(rows|damaged))\b/;
  const left = leaves(en).filter((p) => !lists.test(p) && !nodeLists.test(p) && !netLists.test(p) && !new RegExp(`\\.${p.split('.').at(-1)}\\b`).test(source));
  expect(left).toEqual([]);
});
