/**
 * Names that the visitor typed in order to read them in lists of hashes. They are hashed here, and stay in the memory of this tab: they
 * are in no request, no address and no storage.
 */
import { hex } from '../lib/bytes.js';
import { isName, parseName, types, type Type } from '../lib/name.js';

const keyOf = (type: Type, hash: string): string => `${type} ${hash}`;

class Mine {
  private texts = $state.raw<ReadonlyMap<string, string>>(new Map());
  private typed = $state.raw<readonly string[]>([]);

  /** How many different texts were typed. */
  get size(): number {
    return this.typed.length;
  }

  /** The name of a hash, if it was typed. */
  text(type: Type, hash: string): string | null {
    return this.texts.get(keyOf(type, hash)) ?? null;
  }

  /** Takes names, one a line or separated by blanks and commas; returns those that can be no names. Cryptography is loaded for it. */
  async add(text: string): Promise<string[]> {
    const { hashOf } = await import('../lib/hash.js');
    const texts = new Map(this.texts);
    const typed = new Set(this.typed);
    const bad: string[] = [];
    for (const word of text.split(/[\s,;]+/).filter(Boolean)) {
      const names = types.map((type) => parseName(type, word)).filter(isName);
      if (names.length === 0) bad.push(word);
      else typed.add(word.toLowerCase());
      for (const n of names) texts.set(keyOf(n.type, hex(hashOf(n))), n.text);
    }
    this.texts = texts;
    this.typed = [...typed];
    return bad;
  }

  forget(): void {
    this.texts = new Map();
    this.typed = [];
  }
}

export const mine = new Mine();
