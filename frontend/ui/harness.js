// Starts the real `onsight demo` and Debian's Chromium for the tests of the pages.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const root = new URL('../../', import.meta.url).pathname;

/** Runs a demo until close; says where it serves and where its network is told what to do. */
export async function startDemo(...flags) {
  const folder = mkdtempSync(join(tmpdir(), 'onsight-ui-'));
  const env = { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, XDG_DATA_HOME: folder };
  const demo = spawn(join(root, 'bin/onsight'), ['demo', '--listen', '127.0.0.1:0', ...flags], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => demo.once('exit', resolve));
  let url = '';
  let socket = '';
  for await (const line of createInterface({ input: demo.stdout })) {
    url ||= /^serving (\S+)/.exec(line)?.[1] ?? '';
    socket ||= /DEVNET_SOCKET=(\S+)/.exec(line)?.[1] ?? '';
    if (line.includes('Ctrl-C')) break;
  }
  if (!url || !socket) throw new Error('the demo did not start: run make build');
  return {
    url,
    /** Runs a devnet command against the demo's network. */
    devnet: (...args) =>
      new Promise((resolve, reject) => {
        const child = spawn(join(root, 'bin/devnet'), args, { env: { ...env, DEVNET_SOCKET: socket }, stdio: ['ignore', 'pipe', 'pipe'] });
        let said = '';
        child.stdout.on('data', (d) => (said += d));
        child.stderr.on('data', (d) => (said += d));
        child.once('exit', (code) => (code === 0 ? resolve(said) : reject(new Error(`devnet ${args.join(' ')}: ${said}`))));
      }),
    async close() {
      demo.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a browser that looks nobody up. */
export function startBrowser() {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
  if (!executablePath) throw new Error('no Chromium: run make test-ui, which installs it');
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}
