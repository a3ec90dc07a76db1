// Ends a build: writes every file's compressed forms beside it, and the list of pages for the server that embeds them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('../dist', import.meta.url).pathname;
const forms = [
  ['.br', (body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: body.length } })],
  ['.gz', (body) => gzipSync(body, { level: 9 })],
];

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const body = readFileSync(path);
  for (const [ending, compress] of forms) {
    const smaller = compress(body);
    if (smaller.length < body.length) writeFileSync(path + ending, smaller);
  }
}
writeFileSync(join(dist, 'routes.json'), readFileSync(new URL('../src/routes.json', import.meta.url)));
