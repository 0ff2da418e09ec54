import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openImages, pick, readPixels } from '../../../../src/tools/model/images';
import { decodeJpeg } from '../../../../src/tools/model/jpeg';
import { readJpk } from '../../../../src/tools/model/jpk';
import { expectError } from '../../bundle/expect-error';
import { packed, picture } from './pictures';
import { temporaryFolder } from './sample';

const LABELS = ['Red fox', 'owl', 'carp'];

async function folderOf(...names: string[]): Promise<string> {
  const folder = temporaryFolder();
  for (const [index, name] of names.entries()) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), await picture(index));
  }
  return folder;
}

describe('openImages', () => {
  it('takes classes from folders named by label, whatever the case', async () => {
    const set = await openImages(await folderOf('owl/2.jpg', 'red fox/1.JPEG', 'owl/1.jpg', 'owl/notes.txt'), LABELS);
    expect(set.entries.map(({ name, label }) => [name, label])).toEqual([
      [join('owl', '1.jpg'), 1],
      [join('owl', '2.jpg'), 1],
      [join('red fox', '1.JPEG'), 0],
    ]);
  });

  it('takes class numbers, and else one folder a class in order', async () => {
    const numbers = await openImages(await folderOf('2/a.jpg', '0/a.jpg'), LABELS);
    expect(numbers.entries.map(({ label }) => label)).toEqual([0, 2]);
    const ordered = await openImages(await folderOf('n03/a.jpg', 'n01/a.jpg', 'n02/a.jpg'), LABELS);
    expect(ordered.entries.map(({ name, label }) => [name[2], label])).toEqual([
      ['1', 0],
      ['2', 1],
      ['3', 2],
    ]);
  });

  it('never takes numbers that do not start at 0 in alphabetical order', async () => {
    const labels = Array.from({ length: 11 }, (_, n) => `kind ${n}`);
    const oneToEleven = await folderOf(...labels.map((_, n) => `${n + 1}/a.jpg`));
    await expectError(() => openImages(oneToEleven, labels), 'argument-invalid', '"11"', '0…10', 'start at 0');
    const padded = await folderOf('01/a.jpg', '02/a.jpg', '03/a.jpg');
    await expectError(() => openImages(padded, LABELS), 'argument-invalid', '"03"', 'start at 0');
    // Where one folder is no number, all are names.
    const mixed = await openImages(await folderOf('1/a.jpg', '2/a.jpg', 'x/a.jpg'), LABELS);
    expect(mixed.entries.map(({ label }) => label)).toEqual([0, 1, 2]);
  });

  it('needs no classes where none are asked for', async () => {
    const set = await openImages(await folderOf('a.jpg', 'deep/er/b.jpg'));
    expect(set.entries.map(({ label }) => label)).toEqual([undefined, undefined]);
  });

  it('refuses what has no classes, other classes, no images', async () => {
    await expectError(
      async () => openImages(await folderOf('a.jpg', 'owl/b.jpg'), LABELS),
      'argument-invalid',
      'no class folder',
    );
    await expectError(
      async () => openImages(await folderOf('owl/a.jpg', 'cat/b.jpg'), LABELS),
      'argument-invalid',
      '"cat"',
      '3 labels',
    );
    await expectError(() => openImages(temporaryFolder()), 'argument-invalid', 'no JPEG');
    await expectError(() => openImages(join(temporaryFolder(), 'x')), 'argument-invalid', 'There is no');
    const file = join(temporaryFolder(), 'set.jpk');
    writeFileSync(file, packed([{ label: 3, jpeg: await picture(1) }]));
    await expectError(() => openImages(file, LABELS), 'argument-invalid', 'class 3', '0…2');
  });
});

describe('.jpk', () => {
  it('gives back whole JPEG files and their classes', async () => {
    const images = await Promise.all([5, 6].map(async (label) => ({ label, jpeg: await picture(label) })));
    const read = readJpk(packed(images), 'x.jpk');
    expect(read.map(({ label, jpeg }) => ({ label, jpeg: jpeg() }))).toEqual(images);
  });

  it('refuses a cut file, a wrong start, and bytes left over', async () => {
    const whole = packed([{ label: 0, jpeg: await picture(0) }]);
    for (const length of [3, 11, 14, 17, 25, whole.length - 1]) {
      await expectError(() => readJpk(whole.slice(0, length), 'x.jpk'), 'bundle-invalid', 'x.jpk');
    }
    await expectError(() => readJpk(Uint8Array.of(...whole, 0), 'x.jpk'), 'bundle-invalid', '1 bytes are left over');
    await expectError(() => readJpk(whole.with(0, 65) as Uint8Array<ArrayBuffer>, 'x.jpk'), 'bundle-invalid', 'JPK1');
    await expectError(() => readJpk(whole.with(20, 9) as Uint8Array<ArrayBuffer>, 'x.jpk'), 'bundle-invalid', 'names a header');
  });
});

describe('pixels', () => {
  const input = { size: 12, crop: 1, filter: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] } as const;

  it('are the image’s own at the network’s size, channels first', async () => {
    const jpeg = await picture(3);
    const frame = await decodeJpeg(jpeg, 'x');
    expect([frame.width, frame.height]).toEqual([12, 12]);
    const pixels = await readPixels(
      [0, 1].map(() => ({ name: 'x', bytes: () => Promise.resolve(jpeg) })),
      input,
    );
    expect(pixels).toHaveLength(2 * 3 * 144);
    // Red of the pixel at row 2, column 5, as it was drawn; quality 95 keeps it within a few steps.
    expect(pixels[2 * 12 + 5]! * 255).toBeCloseTo(frame.data[(2 * 12 + 5) * 4]!, 3);
    expect(Math.abs(pixels[432 + 144 + 2 * 12 + 5]! * 255 - ((3 * 131 + 10) % 256))).toBeLessThan(12);
  });

  it('name the file that cannot be read', async () => {
    const good = await picture(1);
    await expectError(() => decodeJpeg(Uint8Array.of(1, 2, 3), 'cat.png'), 'frame-invalid', 'cat.png is not a JPEG');
    await expectError(() => decodeJpeg(good.slice(0, 30), 'cut.jpg'), 'frame-invalid', 'cut.jpg cannot be decoded');
    expect((await decodeJpeg(good, 'after')).width).toBe(12);
  });
});

describe('pick', () => {
  const all = Array.from({ length: 100 }, (_, i) => i);

  it('draws by seed, without repeats, in order', () => {
    const drawn = pick(all, 10, 1);
    expect(drawn).toHaveLength(10);
    expect(new Set(drawn).size).toBe(10);
    expect([...drawn].sort((a, b) => a - b)).toEqual(drawn);
    expect(pick(all, 10, 1)).toEqual(drawn);
    expect(pick(all, 10, 2)).not.toEqual(drawn);
    expect(Math.max(...drawn)).toBeGreaterThan(50);
    expect(pick(all, 100, 1)).toEqual(all);
  });
});
