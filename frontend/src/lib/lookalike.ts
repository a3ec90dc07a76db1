/** Names that are easily taken for another: `ons/lookalike.go`, in the same order. */
import { isName, parseName, suffix, type Name } from './name.js';

// The pairs of several letters are what checks of single characters miss.
const confusable: readonly (readonly [string, string])[] = [
  ['rn', 'm'], ['vv', 'w'], ['cl', 'd'],
  ['0', 'o'], ['1', 'l'], ['1', 'i'], ['l', 'i'], ['-', '_'],
  ['5', 's'], ['2', 'z'], ['8', 'b'], ['9', 'g'], ['g', 'q'], ['u', 'v'], ['nn', 'm'],
];

/** Returns at most limit names of the same type that look like one, those with the fewest differences first. */
export function lookalikes(n: Name, limit: number): Name[] {
  if (n.text.startsWith('xn--')) return []; // punycode is not read
  const seen = new Set([n.text]);
  const out: Name[] = [];
  for (let queue = [n], at = 0; at < queue.length; at++) {
    for (const next of changed(queue[at]!)) {
      if (out.length >= limit) return out;
      if (seen.has(next.text)) continue;
      seen.add(next.text);
      out.push(next);
      queue.push(next);
    }
  }
  return out;
}

/** Returns the names that are one confusion away. */
export function changed(n: Name): Name[] {
  const tail = n.type === 'lokinet' ? suffix : '';
  const text = tail ? n.text.slice(0, -tail.length) : n.text;
  const out: Name[] = [];
  for (let i = 0; i < text.length; i++) {
    for (const [a, b] of confusable) {
      for (const [from, to] of [[a, b], [b, a]] as const) {
        if (!text.startsWith(from, i)) continue;
        const one = parseName(n.type, text.slice(0, i) + to + text.slice(i + from.length) + tail);
        if (isName(one)) out.push(one); // what breaks a rule cannot be registered
      }
    }
  }
  return out;
}
