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
  'needs-update': (page) => lookUp(page, 'sybil'),
  names: (page) => visit(page, 'Names', '[data-part=changed] li'),
  owner: async (page) => {
    await visit(page, 'Names', '[data-part=changed] li');
    await page.locator('[data-part=changed] .who button').first().click();
    await page.locator('main form button.primary').click();
    await page.locator('[data-seen=owned] tbody tr').first().waitFor();
  },
  events: (page) => visit(page, 'Events', 'li[data-cursor]'),
  reorgs: async (page) => {
    if ((await (await fetch(`${demo.url}/v1/reorgs`)).json()).reorgs.length === 0) await demo.devnet('reorg', '3');
    await visit(page, 'Events', 'li[data-cursor]');
    await page.getByRole('link', { name: 'Reorganisations' }).click();
    await page.locator('[data-reorg]').first().waitFor();
  },
  nodes: async (page) => {
    await page.goto(`${demo.url}/nodes`);
    await page.locator('td svg[role=img]').nth(8).waitFor();
  },
  node: async (page) => {
    await page.goto(`${demo.url}/nodes?state=active&order=-decommissions`);
    await page.locator('tbody a').first().click();
    await page.locator('canvas').waitFor();
    await page.locator('.line li').first().waitFor();
  },
  found: (page) => lookUp(page, '127.0.0.1'),
  choose: (page) => open(page, 'choose', '[data-node]'),
  paths: async (page) => {
    await open(page, 'paths', '.bars li');
    await page.locator('main button[data-key=d]').click();
  },
  swarms: (page) => open(page, 'swarms', '.ring svg'),
  network: (page) => open(page, 'network', '.over'),
  status: (page) => open(page, 'status', '.limits'),
  privacy: (page) => open(page, 'privacy', 'main .says'),
  api: (page) => open(page, 'api?op=pick', '.parameters'),
  data: (page) => open(page, 'data', '.index code'),
};

async function visit(page, name, what) {
  await page.locator('header').getByRole('link', { name, exact: true }).click();
  await page.locator(what).first().waitFor();
  await page.waitForTimeout(300); // charts are drawn
}

/** Goes to an address, as those who share one do. */
async function open(page, path, until) {
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
