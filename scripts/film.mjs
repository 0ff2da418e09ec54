/** The README's moving picture: the budget slider of the live page goes down and up again, and the route follows it. */
import sharp from 'sharp';

const FRAMES_A_WAY = 26;
const FRAME_MS = 100;
/** At both ends, so that one can look. */
const HOLD_MS = 1300;
/** Until the answer to the new budget is on the page. */
const ANSWER_MS = 200;
const MARGIN = 10;
const QUALITY = 75;

/** Slow at both ends, as a hand is. */
const eased = (share) => (1 - Math.cos(Math.PI * share)) / 2;

/** Of the budget, in milliseconds: from what no route keeps to what the dearest one does, as slow as the device is now. */
async function range(page) {
  const slowdown = Number.parseFloat((await page.getByTestId('slowdown').innerText()).replace('×', ''));
  return page.evaluate(
    (factor) => {
      const slider = document.getElementById('budget');
      const [min, max] = [Number(slider.min), Number(slider.max)];
      const costs = [...document.querySelectorAll('#ticks .tick')].map(
        ({ style }) => min + ((max - min) * Number.parseFloat(style.left)) / 100,
      );
      return { low: Math.max(min, Math.min(...costs) * 0.9), high: Math.min(max, Math.max(...costs) * factor) };
    },
    1.7 * Math.max(slowdown, 1),
  );
}

/** As a hand does it, which the controller follows at once. */
export function setBudget(page, ms) {
  return page.evaluate((value) => {
    const slider = document.getElementById('budget');
    slider.valueAsNumber = value;
    slider.dispatchEvent(new Event('input'));
  }, ms);
}

/** The picture with its answer, the slider, and the route. */
async function stage(page) {
  const boxes = await Promise.all(
    ['.patch.picture', '.patch.budget', '.patch:has(#ladder)'].map((one) => page.locator(one).boundingBox()),
  );
  const [x, y] = [Math.min(...boxes.map((box) => box.x)) - MARGIN, Math.min(...boxes.map((box) => box.y)) - MARGIN];
  const right = Math.max(...boxes.map((box) => box.x + box.width)) + MARGIN;
  const bottom = Math.max(...boxes.map((box) => box.y + box.height)) + MARGIN;
  return { x, y, width: right - x, height: bottom - y };
}

/** An animated WebP of the page, which shows the whole of what is filmed, and how many routes are seen in it. */
export async function film(page) {
  const { low, high } = await range(page);
  const clip = await stage(page);
  const shares = Array.from({ length: 2 * FRAMES_A_WAY }, (_, i) => eased(1 - i / FRAMES_A_WAY));
  const frames = [];
  const routes = new Set();
  for (const share of shares) {
    // By ratio, as costs differ.
    await setBudget(page, low * (high / low) ** share);
    await page.waitForTimeout(ANSWER_MS);
    frames.push(await page.screenshot({ clip, animations: 'disabled' }));
    routes.add(await page.getByTestId('route-id').innerText());
  }
  const delay = shares.map((_, i) => (i % FRAMES_A_WAY === 0 ? HOLD_MS : FRAME_MS));
  const bytes = await sharp(frames, { join: { animated: true } })
    .webp({ quality: QUALITY, effort: 4, delay, loop: 0 })
    .toBuffer();
  return { bytes, routes: routes.size };
}
