/** Gives the visitor a file that was made here. */
export function save(what: string, kind: string, name: string): void {
  const url = URL.createObjectURL(new Blob([what], { type: kind }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
