/**
 * `npm run screenshots`: pictures of the built demo (`npm run build` first), in a real browser, with the bundle that comes with it.
 *
 * The README's pictures go to docs/images: live-light.webp and live-dark.webp, and slider-….webp, which move. Every page, on a phone
 * and on a desktop, light and dark, goes to a folder to look through: `--out FOLDER`, default a new one for temporary files.
 * `--site FOLDER`: another build than dist/site. `--readme`: the README's only.
 */
import { existsSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright';
import sharp from 'sharp';
import { preview } from 'vite';
import { CHROMIUM_ARGS, findChromium, missingChromium } from './chromium.mjs';
import { film, setBudget } from './film.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SCHEMES = ['light', 'dark'];
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const README_SIZE = { width: 1180, height: 1000 };
const README_QUALITY = 80;
const README_BYTES = 150_000;
/** Two columns, and high enough for what is filmed. */
const FILM_SIZE = { width: 1060, height: 1000 };
const FILM_BYTES = 1_500_000;
/** With fewer there is nothing to see: a busy machine was too slow for the dearer ones. */
const FILM_ROUTES = 3;
/** So that the chart has something to show. */
const CHART_MS = 8000;
const SETTLE_MS = 700;
/** Of the slider's upper end: the dearest route fits there, and does not look as if all did. */
const EASY = 0.6;
const STEPS = 24;
/** The label may change with the route. */
const LOOKS = 4;
const PATIENCE_MS = 300_000;

/** Each page in the state worth showing. */
const PAGES = {
  live: async (page, url) => {
    await page.goto(`${url}?source=photos&guard=off`);
    await page.waitForSelector('html[data-state="ready"][data-complete="true"]', { timeout: PATIENCE_MS });
    await choosePhoto(page);
    // Against times of this very moment, the controller has an easy task.
    await page.getByTestId('calibrate').click();
    await page.getByTestId('calibrate-step').filter({ hasText: 'Measured' }).waitFor({ timeout: PATIENCE_MS });
    // The focus went down there, and the page with it.
    await page.evaluate(() => {
      document.activeElement?.blur();
      scrollTo(0, 0);
    });
    await page.mouse.move(0, 0);
    await page.waitForTimeout(CHART_MS);
  },
  bench: async (page, url) => {
    await page.goto(`${url}bench.html`);
    await page.waitForSelector('html[data-state="idle"]');
    await page.getByTestId('executor-webgpu').check();
    await finish(page);
  },
  parity: async (page, url) => {
    await page.goto(`${url}parity.html`);
    await finish(page);
  },
};

/** The first sample photo that is called what it is, at every look, or else the first of all. */
async function choosePhoto(page) {
  const photos = page.locator('#photos button');
  const isRight = async (photo) => {
    const title = ((await photo.getAttribute('title')) ?? '').toLowerCase();
    for (let look = 0; look < LOOKS; look++) {
      await page.waitForTimeout(SETTLE_MS);
      if (!title.includes((await page.getByTestId('top-label').innerText()).toLowerCase())) return false;
    }
    return true;
  };
  const all = await photos.all();
  let right = all[0];
  for (const photo of all) {
    await photo.click();
    if (!(await isRight(photo))) continue;
    right = photo;
    break;
  }
  await right?.click();
  await page.mouse.move(0, 0);
}

/** Lowers the budget until a stitched route is in use, which says more than one network. */
async function sewTwo(page) {
  const max = await page.getByTestId('budget-slider').evaluate((slider) => Number(slider.max));
  for (let ms = max * EASY; ms > max / STEPS; ms -= max / STEPS) {
    await setBudget(page, ms);
    await page.waitForTimeout(SETTLE_MS);
    if ((await page.getByTestId('route-id').innerText()).includes('+')) return;
  }
  await setBudget(page, max * EASY);
}

async function finish(page) {
  await page.getByTestId('start').click();
  await page.waitForSelector('html:is([data-state="done"], [data-state="error"])', { timeout: PATIENCE_MS });
  // No button is under the mouse, and none has the focus.
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement?.blur());
}

function say(path) {
  const { size } = statSync(path);
  console.log(`${relative(process.cwd(), path)}: ${(size / 1000).toFixed(0)} kB`);
  return size;
}

async function shoot(page, options) {
  // What is drawn on a canvas follows with the next frames.
  await page.waitForTimeout(1000);
  return page.screenshot({ animations: 'disabled', ...options });
}

/** WebP, because a PNG with a photo in it has several times the bytes. */
async function shootReadme(page) {
  await page.setViewportSize(README_SIZE);
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    await sewTwo(page);
    const png = await shoot(page, {});
    keep(`live-${colorScheme}.webp`, await sharp(png).webp({ quality: README_QUALITY, effort: 6 }).toBuffer(), README_BYTES);
  }
  await page.setViewportSize(FILM_SIZE);
  // While a picture of the page is taken frames come late, and the controller would answer to that.
  await page.getByTestId('play').click();
  await page.mouse.move(0, 0);
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    const { bytes, routes } = await film(page);
    keep(`slider-${colorScheme}.webp`, bytes, FILM_BYTES);
    if (routes < FILM_ROUTES)
      console.warn(`screenshots: only ${routes} routes are in it; run this again while the machine is idle`);
  }
  await page.getByTestId('play').click();
}

function keep(name, bytes, most) {
  const path = join(images, name);
  writeFileSync(path, bytes);
  if (say(path) > most) console.warn(`screenshots: that is more than ${most / 1000} kB, much for a README`);
}

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    site: { type: 'string', default: join(ROOT, 'dist/site') },
    readme: { type: 'boolean', default: false },
  },
});
const site = resolve(values.site);
if (!existsSync(join(site, 'index.html'))) throw new Error(`${site} has no index.html: run \`npm run build\` first`);
const executablePath = findChromium();
if (executablePath === undefined) throw new Error(missingChromium());
const out = values.out ?? mkdtempSync(join(tmpdir(), 'running-stitch-screenshots-'));
mkdirSync(out, { recursive: true });
const images = join(ROOT, 'docs/images');

const server = await preview({
  configFile: join(ROOT, 'vite.config.ts'),
  build: { outDir: site },
  preview: { host: '127.0.0.1', port: 0 },
  logLevel: 'error',
});
const browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS, headless: true });
try {
  const url = server.resolvedUrls.local[0];
  for (const [name, prepare] of Object.entries(PAGES)) {
    if (values.readme && name !== 'live') continue;
    const context = await browser.newContext({ serviceWorkers: 'block', viewport: SIZES.desktop });
    const page = await context.newPage();
    // A busy machine reports pressure, which would lower the route in the picture.
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'PressureObserver'));
    await prepare(page, url);
    if (name === 'live') await shootReadme(page);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      for (const [device, viewport] of Object.entries(values.readme ? {} : SIZES)) {
        await page.setViewportSize(viewport);
        const path = join(out, `${name}-${device}-${colorScheme}.png`);
        await shoot(page, { path, fullPage: true });
        say(path);
      }
    }
    await context.close();
  }
} finally {
  await browser.close();
  await server.close();
}
