/** Those there are. What else a server says is none. */
export const networks: readonly string[] = ['mainnet', 'testnet', 'devnet', 'stagenet', 'fakechain', 'localdev'];

/** Blocks of one lokinet "year" (spec A.4); of a fakechain the daemon's own constant, which its operator may have set otherwise. */
export function yearBlocks(network: string): number {
  switch (network) {
    case 'testnet':
      return 720;
    case 'fakechain':
      return 2;
  }
  return 368 * 720;
}

/** Seconds that a block takes (spec A.4). */
export const blockSeconds = 120;
