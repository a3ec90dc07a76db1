/** The vectors that the Go packages are held to, unedited. */
import { readFileSync } from 'node:fs';

const folder = new URL('../../../../ons/testdata/', import.meta.url);

export function readJSON<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as T;
}

/** The lines of a list of names: a type and a text as a Go string, which JSON reads but for \x00. */
export function readNames(file: string): { type: 'session' | 'wallet' | 'lokinet'; text: string }[] {
  return readFileSync(new URL(file, folder), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.indexOf(' ');
      const type = line.slice(0, at) as 'session' | 'wallet' | 'lokinet';
      return { type, text: JSON.parse(line.slice(at + 1).replace(/\\x([0-9a-f]{2})/g, '\\u00$1')) as string };
    });
}
