/** The downloaded registry, kept by the browser from visit to visit: it is public and whole, so it says nothing of what was looked up. */
const shelf = 'bundles';

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('onsight', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(shelf);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('no database'));
  });
}

async function run<T>(mode: IDBTransactionMode, what: (s: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
  try {
    const db = await open();
    return await new Promise<T>((resolve, reject) => {
      const request = what(db.transaction(shelf, mode).objectStore(shelf));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('no answer'));
    }).finally(() => db.close());
  } catch {
    return null; // private windows and full disks: then it is downloaded again
  }
}

export async function loadBundle(network: string): Promise<Uint8Array | null> {
  const kept = await run<unknown>('readonly', (s) => s.get(network));
  return kept instanceof Uint8Array ? kept : null;
}

export async function hasBundle(network: string): Promise<boolean> {
  return ((await run('readonly', (s) => s.count(network))) ?? 0) > 0;
}

export async function storeBundle(network: string, b: Uint8Array): Promise<void> {
  await run('readwrite', (s) => s.put(b, network));
}

export async function dropBundle(network: string): Promise<void> {
  await run('readwrite', (s) => s.delete(network));
}
