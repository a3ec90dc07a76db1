/** Opens one value of 2020 beside the page: it takes 256 MiB and seconds. */
import type { Name } from './name.js';
import { openLegacySlowly } from './value.js';

// The compiler knows pages only.
const scope = self as unknown as { onmessage: (e: MessageEvent<{ name: Name; ciphertext: Uint8Array }>) => void; postMessage(message: unknown): void };

scope.onmessage = async (e) => {
  try {
    let shown = 0;
    const value = await openLegacySlowly(e.data.name, e.data.ciphertext, (done) => {
      if (done - shown < 0.01) return;
      shown = done;
      scope.postMessage({ progress: done });
    });
    scope.postMessage({ value });
  } catch (err) {
    scope.postMessage({ failed: String(err) }); // a page hears of no promise that fails in here
  }
};
