/** How much of the registry's bundle has come, while it is fetched. */
class Arriving {
  bytes = $state(0);
}

export const arriving = new Arriving();

export function arrived(bytes: number): void {
  arriving.bytes = bytes;
}
