/** Files beside a bundle that are no part of it, such as its model card. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Manifest } from '../../../../src/bundle/manifest';
import { runCli } from '../../../../src/tools/model/cli';
import { writeBundle } from '../../../../src/tools/model/write-bundle';
import { fakeIo, sampleFamily, temporaryFolder } from './sample';

vi.setConfig({ testTimeout: 60_000 });

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;

async function run(...argv: string[]) {
  const io = fakeIo();
  return { code: await runCli(argv, io), errors: io.errors.join('\n') };
}

it('what stands beside a bundle survives --force, with a remark where the weights changed', async () => {
  const parent = temporaryFolder();
  const [family, other] = [join(parent, 'family'), join(parent, 'other')];
  await writeBundle(family, sampleFamily(), { groupSize: 1 });
  writeFileSync(join(family, 'MODEL_CARD.md'), 'made by hand');
  mkdirSync(join(family, 'pictures'));
  writeFileSync(join(family, 'pictures', 'a.svg'), '<svg/>');
  const kept: string[] = [];
  await writeBundle(family, sampleFamily(), { groupSize: 4, force: true, onKept: (files) => kept.push(...files) });
  expect(kept.sort()).toEqual(['MODEL_CARD.md', 'pictures']);
  expect(readFileSync(join(family, 'MODEL_CARD.md'), 'utf8')).toBe('made by hand');
  expect(readFileSync(join(family, 'pictures', 'a.svg'), 'utf8')).toBe('<svg/>');
  // Shards of the old bundle are no foreign files.
  const { shards } = manifestOf(family);
  expect(readdirSync(family).filter((file) => file.includes('.blocks.'))).toEqual(
    shards
      .map(({ file }) => file)
      .filter((file) => file.includes('.blocks.'))
      .sort(),
  );

  // Another folder gets the card too; a card that stands there is not lost for it.
  const { errors } = await run('pack', family, '--weights', 'int8', '--out', other);
  expect(errors).toMatch(/Kept as it was: MODEL_CARD\.md\. The weights are new/);
  expect(readFileSync(join(other, 'MODEL_CARD.md'), 'utf8')).toBe('made by hand');
  writeFileSync(join(other, 'MODEL_CARD.md'), 'of the other');
  expect((await run('pack', family, '--out', other, '--force')).errors).not.toContain('weights are new');
  expect(readFileSync(join(other, 'MODEL_CARD.md'), 'utf8')).toBe('of the other');
});
