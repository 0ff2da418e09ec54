/** Which preprocessing an import takes, from which file, and what it says of it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importFamily, type FamilyOptions } from '../../../../src/tools/import/import';
import { openCheckpoint } from '../../../../src/tools/import/source';
import { expectError } from '../../bundle/expect-error';
import { fixture, fixtureBytes, scratch } from './paths';

const HALF = [0.5, 0.5, 0.5];
/** As google/vit-base-patch16-224 says it. */
const VIT = {
  do_normalize: true,
  do_resize: true,
  image_mean: HALF,
  image_std: HALF,
  resample: 2,
  size: { height: 224, width: 224 },
};

/** A Hugging Face model's folder with these files beside the weights. */
function model(preprocessor: unknown, config: object = {}): string {
  const folder = join(scratch(), 'model');
  mkdirSync(folder);
  writeFileSync(join(folder, 'model.safetensors'), fixtureBytes('hf-f16/model.safetensors'));
  const own = JSON.parse(readFileSync(fixture('hf-f16/config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...own, ...config }));
  const text = typeof preprocessor === 'string' ? preprocessor : JSON.stringify(preprocessor);
  if (preprocessor !== undefined) writeFileSync(join(folder, 'preprocessor_config.json'), text);
  return folder;
}

function imported(folders: readonly string[], input: FamilyOptions['input'] = {}) {
  const notes: string[] = [];
  const checkpoints = folders.map((folder) => openCheckpoint(folder));
  const family = importFamily(checkpoints, { name: 'x', input, onNote: (note) => notes.push(note) });
  const { size: _size, ...rest } = family.input;
  return { input: rest, notes, about: notes.find((note) => note.startsWith('Preprocessing: ')) };
}

describe('preprocessor_config.json', () => {
  test('says mean, std and filter; without a cut the whole shorter side counts', () => {
    const folder = model(VIT);
    const { input, notes, about } = imported([folder]);
    expect(input).toEqual({ crop: 1, filter: 'bilinear', mean: HALF, std: HALF });
    const from = join(folder, 'preprocessor_config.json');
    expect(about).toBe(`Preprocessing: mean 0.5,0.5,0.5, std 0.5,0.5,0.5, crop 1, bilinear from ${from}.`);
    expect(notes.join('\n')).toContain('squeezes the whole photo into a square');
  });

  test.each([
    [{ do_center_crop: true, crop_size: 224, size: 256 }, 0.875],
    [{ do_center_crop: true, crop_size: { height: 224, width: 224 }, size: { shortest_edge: 248 } }, 224 / 248],
    [{ do_center_crop: false, crop_size: 224, size: 256 }, 1],
    [{ crop_size: 224, size: 256 }, 0.875],
    [{ do_resize: false, do_center_crop: true, crop_size: 224, size: 256 }, 0.875],
    [{}, 0.875],
  ])('%j keeps a share of %d', (fields, crop) => {
    expect(imported([model(fields)]).input.crop).toBeCloseTo(crop, 9);
  });

  test('a filter that is not here is replaced, and said', () => {
    const { input, notes } = imported([model({ ...VIT, resample: 1 })]);
    expect(input.filter).toBe('bicubic');
    expect(notes.join('\n')).toContain('lanczos, which this engine does not have; bicubic');
  });

  test('another factor than 1/255, and none of mean and std, become mean and std', () => {
    // x · 1/127.5 − 1 is (x/255 − 1/2) / (1/2).
    const scaled = { ...VIT, rescale_factor: 1 / 127.5, image_mean: [1, 1, 1], image_std: [1, 1, 1] };
    expect(imported([model(scaled)]).input).toMatchObject({ mean: HALF, std: HALF });
    const plain = imported([model({ ...VIT, do_normalize: false })]).input;
    expect(plain).toMatchObject({ mean: [0, 0, 0], std: [1, 1, 1] });
  });

  test('comes before the config.json, and after what is given', () => {
    const ones = [1, 1, 1];
    const timm = { pretrained_cfg: { crop_pct: 0.9, interpolation: 'bicubic', mean: ones, std: ones } };
    const { input, about } = imported([model({ image_mean: HALF }, timm)], { crop: 0.95 });
    expect(input).toEqual({ crop: 0.95, filter: 'bicubic', mean: HALF, std: ones });
    expect(about).toMatch(/crop 0\.95 as given/);
    expect(about).toMatch(/std 1,1,1, bicubic from .*[/\\]config\.json/);
  });

  test.each([
    ['image_std', [0.5, 0, 0.5], /above 0/],
    ['image_mean', 'half', /three numbers/],
    ['image_mean', [0.5, 0.5], /three numbers/],
    ['resample', 9, /PIL/],
    ['do_center_crop', 'yes', /true or false/],
    ['size', { height: 224, width: 196 }, /square/],
    ['rescale_factor', -1, /above 0/],
  ])('%s %j is refused by name', async (name, value, part) => {
    const folder = model({ ...VIT, [name]: value });
    await expectError(() => imported([folder]), 'bundle-invalid', /preprocessor_config\.json/, name, part, /--mean/);
  });

  test('a cut wider than the picture, or no JSON, is refused', async () => {
    const wide = model({ ...VIT, do_center_crop: true, crop_size: 300 });
    await expectError(() => imported([wide]), 'bundle-invalid', /crop_size/, /at most the 224/);
    await expectError(() => imported([model('{')]), 'bundle-invalid', /preprocessor_config\.json/, /not JSON/);
    await expectError(() => imported([model([])]), 'bundle-invalid', /no JSON object/);
  });
});

test('what nobody says is assumed, and said so', () => {
  const { input, about } = imported([model(undefined)]);
  expect(input).toEqual({ crop: 0.875, filter: 'bicubic', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
  expect(about).toMatch(/crop 0\.875, bicubic assumed\. .*pass --mean, --std, --crop or --filter/);
});

test('anchors that were trained with other values are named', () => {
  const { input, notes } = imported([model(VIT), model({ ...VIT, image_mean: [0.1, 0.2, 0.3] })]);
  expect(input.mean).toEqual(HALF);
  expect(notes.join('\n')).toContain('says mean 0.1,0.2,0.3; all anchors get mean 0.5,0.5,0.5.');
});
