/** What a table has under a word that somebody else gave; nothing of what every object has, as "constructor". */
export function own<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
