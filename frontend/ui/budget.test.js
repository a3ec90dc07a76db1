// What the build weighs and whom it could ask.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url);
const read = (file) => readFileSync(new URL(file, dist));
const packed = (files) => files.reduce((n, file) => n + gzipSync(read(file), { level: 9 }).length, 0);

/** What a first visit loads: what the page names, and what that imports without being asked. */
function initial() {
  const page = String(read('index.html'));
  const queue = Array.from(page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g), (m) => m[1]);
  const seen = new Set(queue);
  for (const file of queue) {
    if (!file.endsWith('.js')) continue;
    for (const [, next] of String(read(file)).matchAll(/(?:import|from)\s*["']\.\/([^"']+)["']/g)) {
      if (!seen.has(`assets/${next}`)) {
        seen.add(`assets/${next}`);
        queue.push(`assets/${next}`);
      }
    }
  }
  return queue;
}

test('what a first visit loads', (t) => {
  const files = initial();
  const js = packed(files.filter((f) => f.endsWith('.js')));
  const css = packed(files.filter((f) => f.endsWith('.css')));
  t.diagnostic(`initial JavaScript ${js} bytes, CSS ${css} bytes, gzipped, in ${files.length} files`);
  assert.ok(js <= 120_000, `${js} bytes of JavaScript`);
  assert.ok(css <= 20_000, `${css} bytes of CSS`);
});

test('cryptography is loaded on demand', () => {
  for (const file of initial()) assert.doesNotMatch(String(read(file)), /expand 32-byte k|argon2|blake2/i, file);
});

test('nobody else is named', () => {
  // Namespaces, and the pages that Svelte's own errors point to: texts, not requests.
  const known = /^https?:\/\/(www\.w3\.org\/|svelte\.dev\/e\/)/;
  for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((f) => /\.(html|js|css|svg)$/.test(f))) {
    const strangers = (String(read(file)).match(/https?:\/\/[^\s"'`\\)<]+/g) ?? []).filter((url) => !known.test(url));
    assert.deepEqual(strangers, [], file);
  }
});

test('every file that gains by it is compressed', () => {
  const files = readdirSync(new URL('assets', dist));
  for (const file of files.filter((f) => /\.(js|css)$/.test(f) && read(`assets/${f}`).length > 1000)) {
    assert.ok(files.includes(`${file}.br`) && files.includes(`${file}.gz`), file);
  }
});
