/** Commands that a visitor copies into a shell: nothing in one may be more than a word, wherever it came from. */
export const quote = (s: string): string => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);

/** Whether a command is one curl of plain and quoted words, as the samples of the API are. */
export const isCurl = (s: string): boolean => /^curl(?: +(?:[\w@%+=:,./?-]+|'[^'\n]*'))+$/.test(s);
