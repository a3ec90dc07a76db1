/** What the visitor chose: words from short lists, kept in localStorage, and nothing that was asked for. */
import { networks } from '../lib/network.js';

export type Theme = 'auto' | 'light' | 'dark';

const themes: readonly Theme[] = ['auto', 'light', 'dark'];

/** localStorage, or what forgets where a browser has none for us. */
export const storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> = (() => {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {}, removeItem: () => {} };
  }
})();

export function keep(key: string, value: string): void {
  try {
    storage.setItem(key, value);
  } catch {
    // Full or forbidden: then it holds for this visit only.
  }
}

const namesKey = (network: string): string => `onsight.names.${network}`;
export const mostNames = 1_000_000_000;

class Preferences {
  theme = $state<Theme>(themes.find((t) => t === storage.getItem('onsight.theme')) ?? 'auto');

  nextTheme(): void {
    this.theme = themes[(themes.indexOf(this.theme) + 1) % themes.length]!;
    keep('onsight.theme', this.theme);
    this.apply();
  }

  private told = $state<Record<string, number>>({}); // counts of names

  /** How many names a network has at least, as the visitor knows from elsewhere than this server. 0: that was not said. */
  names(network: string): number {
    const kept = Number(storage.getItem(namesKey(network)));
    return this.told[network] ?? (Number.isSafeInteger(kept) && kept > 0 && kept <= mostNames ? kept : 0);
  }

  /** Takes that number; 0 takes it back. */
  tellNames(network: string, n: number): void {
    this.told[network] = n;
    if (n > 0) keep(namesKey(network), String(n));
    else {
      try {
        storage.removeItem(namesKey(network));
      } catch {
        // it is not kept, then
      }
    }
  }

  /** Takes all such numbers back. */
  forgetNames(): void {
    for (const network of networks) this.tellNames(network, 0);
  }

  apply(): void {
    document.documentElement.dataset.theme = this.theme;
  }
}

export const preferences = new Preferences();
