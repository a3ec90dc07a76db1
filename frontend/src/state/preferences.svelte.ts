/** What the visitor chose: words from short lists, kept in localStorage, and nothing that was asked for. */
export type Theme = 'auto' | 'light' | 'dark';

const themes: readonly Theme[] = ['auto', 'light', 'dark'];

/** localStorage, or what forgets where a browser has none for us. */
export const storage: Pick<Storage, 'getItem' | 'setItem'> = (() => {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {} };
  }
})();

export function keep(key: string, value: string): void {
  try {
    storage.setItem(key, value);
  } catch {
    // Full or forbidden: then it holds for this visit only.
  }
}

class Preferences {
  theme = $state<Theme>(themes.find((t) => t === storage.getItem('onsight.theme')) ?? 'auto');

  nextTheme(): void {
    this.theme = themes[(themes.indexOf(this.theme) + 1) % themes.length]!;
    keep('onsight.theme', this.theme);
    this.apply();
  }

  apply(): void {
    document.documentElement.dataset.theme = this.theme;
  }
}

export const preferences = new Preferences();
