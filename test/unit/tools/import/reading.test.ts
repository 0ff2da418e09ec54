/** How far an import has read, byte by byte, and that the command shows it. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { importFamily } from '../../../../src/tools/import/import';
import { openCheckpoint } from '../../../../src/tools/import/source';
import { runCli } from '../../../../src/tools/model/cli';
import { createProgress } from '../../../../src/tools/model/progress';
import { fakeIo } from '../model/sample';
import { fixture, fixtureBytes, scratch } from './paths';

vi.setConfig({ testTimeout: 60_000 });

const HEADS = { 'snnet.pth': [1, 2, 3], 'snnetv2.pth': [1, 2] } as const;

/** What an import of these files tells. */
function told(...files: string[]): { done: number[]; of: number[] } {
  const done: number[] = [];
  const of: number[] = [];
  const [first = ''] = files;
  importFamily(
    files.map((file) => openCheckpoint(fixture(file))),
    {
      name: 'x',
      heads: HEADS[first as keyof typeof HEADS] ?? files.map(() => 3),
      onRead: (bytes, all) => {
        done.push(bytes);
        of.push(all);
      },
    },
  );
  return { done, of };
}

describe('the bytes read', () => {
  test.each([
    { files: ['timm-f32.pth'] },
    { files: ['timm-bf16.safetensors'] },
    { files: ['hf-f16'] },
    { files: ['snnet.pth'] },
    { files: ['timm-f32.pth', 'timm-f16.bin'] },
  ])('$files: grow tensor by tensor to all there are', ({ files }) => {
    const { done, of } = told(...files);
    expect(done.length).toBeGreaterThan(30);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(new Set(done).size).toBe(done.length);
    expect(new Set(of).size).toBe(1);
    expect(done.at(-1)).toBe(of[0]);
  });

  test('leave out what only a route needs that is never trained', () => {
    const { done, of } = told('snnetv2.pth');
    // One stitch of 256 bytes.
    expect(of[0]! - done.at(-1)!).toBe(256);
  });

  test('are those of the file, without its header', () => {
    const file = 'timm-bf16.safetensors';
    const header = Number(new DataView(fixtureBytes(file).buffer).getBigUint64(0, true));
    expect(told(file).done.at(-1)).toBe(statSync(fixture(file)).size - 8 - header);
  });
});

test('the command shows their share, and from it the time that is left', async () => {
  const io = fakeIo();
  const shares: number[] = [];
  const lines: string[] = [];
  // A second a tensor.
  let now = 0;
  const shown = createProgress({ isTTY: true, write: (text) => void lines.push(text) }, () => (now += 1000));
  const update = (phase: string, share: number): void => {
    if (phase === 'reading') shares.push(share);
    shown.update(phase, share);
  };
  const argv = ['import', fixture('snnet.pth'), '--out', join(scratch(), 'b'), '--name', 'x', '--heads', '1,2,3'];
  expect(await runCli(argv, { ...io, progress: { update, end: shown.end } }), io.errors.join('\n')).toBe(0);
  expect(shares.at(0)).toBe(0);
  expect(shares.at(-1)).toBe(1);
  expect(shares.filter((share) => share > 0.2 && share < 0.8).length).toBeGreaterThan(10);
  expect(lines.filter((line) => /reading [1-9]\d %, \d+ s left/.test(line)).length).toBeGreaterThan(10);
});
