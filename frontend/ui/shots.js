// Takes a picture of each page, light, dark and on a phone: node ui/shots.js FOLDER
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startBrowser, startDemo } from './harness.js';

const folder = process.argv[2] ?? 'shots';
mkdirSync(folder, { recursive: true });
const demo = await startDemo('--block-time', '4s');
const browser = await startBrowser();

const pages = {
  home: async () => {},
  typed: async (page) => page.locator('#box').fill('alice'),
  name: (page) => lookUp(page, 'alice'),
  available: (page) => lookUp(page, 'nobody_has_this'),
  invalid: (page) => lookUp(page, 'no spaces'),
  'needs-update': (page) => lookUp(page, 'dora'),
  found: (page) => lookUp(page, '127.0.0.1'),
  choose: (page) => visit(page, 'choose', '[data-node]'),
  paths: async (page) => {
    await visit(page, 'paths', '.bars li');
    await page.locator('main button[data-key=d]').click();
  },
  swarms: (page) => visit(page, 'swarms', '.ring svg'),
  network: (page) => visit(page, 'network', '.over'),
  status: (page) => visit(page, 'status', '.limits'),
  privacy: (page) => visit(page, 'privacy', '.says'),
  api: (page) => visit(page, 'api?op=pick', '.parameters'),
  data: (page) => visit(page, 'data', '.index code'),
};

async function visit(page, path, until) {
  await page.goto(`${demo.url}/${path}`);
  await page.locator(until).first().waitFor();
  await page.waitForLoadState('networkidle');
}

async function lookUp(page, text) {
  await page.locator('#box').fill(text);
  await page.locator('#box').press('Enter');
  await page.locator('[data-state]:not([data-state=asking]), [data-seen]:not([data-seen=asking])').waitFor();
  await page.waitForLoadState('networkidle');
}

const looks = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 960 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 960 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5 },
};
try {
  for (const [look, options] of Object.entries(looks)) {
    for (const [name, go] of Object.entries(pages)) {
      const context = await browser.newContext({ ...options, reducedMotion: 'reduce', locale: 'en-GB' });
      const page = await context.newPage();
      await page.goto(demo.url);
      await page.locator('[aria-labelledby=events-title] li').nth(5).waitFor();
      await page.locator('.figure').nth(2).waitFor();
      await go(page);
      await page.screenshot({ path: join(folder, `${name}-${look}.png`) });
      await context.close();
    }
  }
} finally {
  await browser.close();
  await demo.close();
}
