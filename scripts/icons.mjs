/** `npm run icons`: the PNG icons of the demo (public/icons), from public/icon.svg, drawn by a browser. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { chromium } from 'playwright';
import { BASE_ARGS, findChromium, missingChromium } from './chromium.mjs';

const PUBLIC = fileURLToPath(new URL('../public', import.meta.url));
/** `inset`: share of the edge left free on each side. A maskable icon may lose all but the middle circle of 80 %. */
const ICONS = [
  { file: 'icon-192.png', size: 192, inset: 0 },
  { file: 'icon-512.png', size: 512, inset: 0 },
  { file: 'maskable-512.png', size: 512, inset: 0.14, full: true },
  // iOS rounds corners itself, and shows black where nothing is drawn.
  { file: 'touch-180.png', size: 180, inset: 0.06, full: true },
];

const SIGNATURE = 8;
/** Length and type before, checksum behind. */
const FRAME = 12;

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(data.length + FRAME);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), data.length + 8);
  return out;
}

/** The same pixels, deflated as hard as it goes: browsers are in a hurry when they write PNGs. Other chunks are dropped. */
function repack(png) {
  const found = [];
  for (let at = SIGNATURE; at < png.length; at += png.readUInt32BE(at) + FRAME) {
    found.push({ type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + png.readUInt32BE(at)) });
  }
  const data = (type) => Buffer.concat(found.filter((one) => one.type === type).map((one) => one.data));
  const pixels = deflateSync(inflateSync(data('IDAT')), { level: 9 });
  return Buffer.concat([
    png.subarray(0, SIGNATURE),
    chunk('IHDR', data('IHDR')),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const icon = readFileSync(join(PUBLIC, 'icon.svg'), 'utf8');
const ground = /<rect[^>]*fill="([^"]+)"/.exec(icon)?.[1];
if (ground === undefined) throw new Error('public/icon.svg has no filled <rect>, whose colour is the ground of the full icons');
const executablePath = findChromium();
if (executablePath === undefined) throw new Error(missingChromium());

const browser = await chromium.launch({ executablePath, args: BASE_ARGS, headless: true });
try {
  mkdirSync(join(PUBLIC, 'icons'), { recursive: true });
  const page = await browser.newPage();
  for (const { file, size, inset, full = false } of ICONS) {
    const encoded = await page.evaluate(
      async ([svg, edge, free, colour]) => {
        const image = new Image();
        image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
        await image.decode();
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = edge;
        const context = canvas.getContext('2d');
        context.fillStyle = colour;
        context.fillRect(0, 0, edge, edge);
        context.drawImage(image, edge * free, edge * free, edge * (1 - 2 * free), edge * (1 - 2 * free));
        return canvas.toDataURL('image/png').split(',')[1];
      },
      [icon, size, inset, full ? ground : 'transparent'],
    );
    const path = join(PUBLIC, 'icons', file);
    writeFileSync(path, repack(Buffer.from(encoded, 'base64')));
    console.log(`public/icons/${file}: ${statSync(path).size} bytes`);
  }
} finally {
  await browser.close();
}
