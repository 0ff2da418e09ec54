/** What the commands print, their exit codes, and what is left after Ctrl-C. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, watch } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { text as textOf } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { DEFAULT_BUNDLE } from '../../../../src/tools/lib/classify-arguments';
import { runCli } from '../../../../src/tools/model/cli';
import { familyPicture, textTable } from '../../../../src/tools/model/inspect';
import { paretoFront } from '../../../../src/tools/model/pareto';
import { accuracyPlot, plotRoutes, ticks } from '../../../../src/tools/model/plot';
import { createProgress, duration } from '../../../../src/tools/model/progress';
import { readManifest } from '../../../../src/tools/model/read-bundle';
import { writeBundle } from '../../../../src/tools/model/write-bundle';
import { fakeIo, sampleFamily, temporaryFolder } from './sample';

vi.setConfig({ testTimeout: 60_000 });

async function run(...argv: string[]) {
  const io = fakeIo();
  return { code: await runCli(argv, io), text: io.text.join('\n'), errors: io.errors.join('\n') };
}

describe('usage', () => {
  it.each(['import', 'stitch', 'evaluate', 'profile', 'pack', 'plot', 'inspect', 'verify'])(
    '%s --help shows examples and exit codes',
    async (name) => {
      const { code, text } = await run(name, '--help');
      expect(code).toBe(0);
      expect(text).toMatch(new RegExp(`Examples:\\n {2}npm run model -- ${name} `));
      expect(text).toContain('Exit code:');
      expect(text).toContain('--json');
    },
  );

  it.each([
    [['knit'], 'knit'],
    [['stitch', 'x'], '--images'],
    [['pack', 'x', '--out', 'y', '--group', 'two'], 'whole number'],
    [['evaluate', 'x', '--images', 'y', '--backend', 'gpu'], 'wasm, cpu'],
    [['stitch', 'x', '--images', 'y', '--out', 'z', '--ridge', '-1'], 'at least 0'],
    [['import', 'x', '--out', 'y', '--name', 'z', '--mean', '1,2'], 'three numbers'],
    [['import', 'x', '--out', 'y', '--name', 'z', '--sha256', 'abc'], '64 hex digits'],
  ])('%j is wrong usage', async (argv, message) => {
    const { code, errors } = await run(...argv);
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });

  it('one --sha256 is of one checkpoint, whatever its case, and of a local one too', async () => {
    const fixture = fileURLToPath(new URL('../../../fixtures/import/timm-f32.pth', import.meta.url));
    const args = ['--out', join(temporaryFolder(), 'x'), '--name', 'x', '--id', 'a', '--heads', '3', '--sha256'];
    const hash = createHash('sha256').update(readFileSync(fixture)).digest('hex');
    const two = await run('import', fixture, fixture, ...args, hash);
    expect(two).toMatchObject({ code: 1, errors: expect.stringContaining('there are 2 checkpoints') });
    const wrong = await run('import', fixture, ...args, 'A'.repeat(64));
    expect(wrong).toMatchObject({ code: 1, errors: expect.stringMatching(/timm-f32\.pth: its SHA-256 is .*, expected a{64}/) });
    const right = await run('import', fixture, ...args, hash.toUpperCase());
    expect(right).toMatchObject({ code: 0, errors: expect.stringContaining('note: Preprocessing: ') });
  });

  it('import says when a model comes from the cache, and --refresh fetches it again', async () => {
    const fixture = readFileSync(new URL('../../../fixtures/import/timm-f32.pth', import.meta.url));
    let served = 0;
    const server = createServer((_request, response) => {
      served += 1;
      response.end(fixture);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const parent = temporaryFolder();
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/w.pth`;
      const load = (...more: string[]) => {
        const out = ['--out', join(parent, 'x'), '--force', '--cache', join(parent, 'cache')];
        return run('import', url, ...out, '--name', 'x', '--id', 'a', '--heads', '3', ...more);
      };
      expect((await load()).errors).not.toContain('from the cache');
      const again = await load();
      expect(again.errors).toMatch(/note: http:\S+\/w\.pth is from the cache, \S+w\.pth; pass --refresh to fetch it again\./);
      expect([again.code, served]).toEqual([0, 1]);
      expect((await load('--refresh')).errors).not.toContain('from the cache');
      expect(served).toBe(2);
    } finally {
      server.close();
    }
  });

  it('a missing bundle fails with the remedy', async () => {
    const { code, errors } = await run('inspect', join(temporaryFolder(), 'none'));
    expect(code).toBe(1);
    expect(errors).toMatch(/^model: .*manifest\.json cannot be read\. Name the folder of a bundle/);
  });
});

describe('inspect, pack and verify', () => {
  it('draw the family, list its routes, repack and check it', async () => {
    const parent = temporaryFolder();
    const [family, fine] = [join(parent, 'family'), join(parent, 'fine')];
    await writeBundle(family, sampleFamily());
    const shown = await run('inspect', family);
    expect(shown.text).toContain('2 anchors, 3 stitches, 12 routes');
    expect(shown.text.split('\n').filter((line) => /^[ab]\b/.test(line) && line.includes('yes'))).toHaveLength(12);
    const listed = JSON.parse((await run('inspect', family, '--json')).text) as { routes: { id: string; bytes: number }[] };
    expect(listed.routes[0]).toMatchObject({ id: 'a', params: expect.any(Number), macs: expect.any(Number) });

    const packed = await run('pack', family, '--out', fine, '--group', '1', '--name', 'fine', '--json');
    expect(JSON.parse(packed.text)).toMatchObject({ shards: 2 * (4 + 2) + 3 });
    expect((await readManifest(fine)).manifest.name).toBe('fine');
    expect((await run('pack', family, '--out', fine)).code).toBe(1);
    expect((await run('pack', family, '--out', fine, '--force')).code).toBe(0);

    const verified = await run('verify', fine);
    expect(verified.code).toBe(0);
    expect(verified.text).toContain('PyTorch’s are better');
    const path = join(fine, 'a.embed.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 3]! ^= 4;
    (await import('node:fs')).writeFileSync(path, bytes);
    expect(await run('verify', fine)).toMatchObject({ code: 1, errors: expect.stringContaining('SHA-256') });
  });

  it('pictures which blocks are joined', async () => {
    const folder = join(temporaryFolder(), 'family');
    const manifest = await writeBundle(folder, sampleFamily());
    expect(familyPicture(manifest).split('\n').slice(0, 2)).toEqual([
      'a  ▷─■─■─■─■─▶  width 8, 1 heads, 4 blocks',
      '     │╳│╳│╳│ ',
    ]);
  });

  it('sets columns of numbers flush right', () => {
    expect(
      textTable(
        ['id', 'n'],
        [
          ['a', '1.5'],
          ['long', '10.25'],
          ['c', undefined],
        ],
      ),
    ).toBe('id        n\na       1.5\nlong  10.25\nc');
  });
});

describe('Ctrl-C', () => {
  it('leaves no half-written folder behind', async () => {
    const parent = temporaryFolder();
    // So many blocks that writing them one by one takes longer than the signal.
    await writeBundle(join(parent, 'family'), sampleFamily({ depth: 128, plain: true }), { groupSize: 128 });
    const program = fileURLToPath(new URL('../../../../src/tools/model.ts', import.meta.url));
    const args = ['pack', join(parent, 'family'), '--group', '1', '--out', join(parent, 'out')];
    const watcher = watch(parent);
    const began = once(watcher, 'change');
    const child = spawn(execPath, ['--import', 'tsx', program, ...args], { stdio: ['ignore', 'inherit', 'pipe'] });
    const ended = once(child, 'exit') as Promise<[number]>;
    const told = textOf(child.stderr);
    await Promise.race([began, ended]);
    watcher.close();
    expect(readdirSync(parent).filter((name) => name.startsWith('.out.partial'))).toHaveLength(1);
    child.kill('SIGINT');
    expect([(await ended)[0], await told]).toEqual([130, 'model: Stopped before the end; nothing was written.\n']);
    expect(readdirSync(parent)).toEqual(['family']);
  });

  it('stops verify between two shards and between two routes, and its progress tells of both', async () => {
    const family = join(temporaryFolder(), 'family');
    const { shards, check } = await writeBundle(family, sampleFamily(), { groupSize: 1 });
    const seen: string[] = [];
    const verify = async (stopAt?: string) => {
      const io = fakeIo();
      seen.length = 0;
      const update = (phase: string, share: number) => {
        seen.push(`${phase} ${share}`);
        if (phase === stopAt) io.stop.abort();
      };
      return runCli(['verify', family], { ...io, progress: { update, end: () => {} } });
    };
    expect(await verify()).toBe(0);
    expect(seen.filter((line) => line.startsWith('hashing'))).toHaveLength(shards.length);
    expect(seen.filter((line) => line.startsWith('check vectors'))).toHaveLength(check.routes.length);
    expect(seen.at(-1)).toBe('check vectors 1');
    expect(await verify('hashing')).toBe(130);
    expect(seen).toHaveLength(1);
    expect(await verify('check vectors')).toBe(130);
    expect(seen).toHaveLength(shards.length + 1);
  });
});

describe('the Pareto front', () => {
  it('is every route better than all cheaper ones', () => {
    const route = (id: string, macs: number, top1?: number) => ({ id, macs, ...(top1 === undefined ? {} : { top1 }) });
    const all = [
      route('d', 5, 0.5),
      route('a', 1, 0.3),
      route('b', 2, 0.2),
      route('c', 3, 0.4),
      route('e', 3, 0.45),
      route('f', 9, 0.5),
      route('g', 0),
    ];
    expect(paretoFront(all)).toEqual(['a', 'e', 'd']);
    expect(paretoFront([])).toEqual([]);
  });
});

describe('the plot', () => {
  const routes = [
    { id: 'w64', macs: 46e6, top1: 0.28, anchor: 'ViT <64>' },
    { id: 'w64.1+w128.2', macs: 90e6, top1: 0.33 },
    { id: 'w64.2+w128.1', macs: 100e6, top1: 0.3 },
    { id: 'w128', macs: 169e6, top1: 0.39, anchor: 'ViT 128' },
  ];

  it('holds every route, the front as a line, and escaped names', () => {
    const svg = accuracyPlot('A & B', routes);
    expect(svg).toContain('A &amp; B');
    expect(svg).toContain('ViT &lt;64&gt;');
    expect(svg.match(/class="front" cx/g)).toHaveLength(1);
    expect(svg.match(/class="rest" cx/g)).toHaveLength(1);
    expect(svg.match(/class="line" d="(M[^L]*)(L[^L"]*){2}"/)).not.toBeNull();
    expect(svg).toContain('millions');
    expect(accuracyPlot('x', [{ id: 'b', macs: 17e9, top1: 0.8, anchor: 'B' }])).not.toMatch(/NaN|Infinity/);
  });

  it('names the anchors of a manifest, leaves out what was not measured, and follows a dark colour scheme', () => {
    const anchors = ['a', 'b', 'c'].map((id) => ({ id, name: `Net ${id}`, config: sampleFamily().anchors[0]!.config }));
    const alone = anchors.map(({ id }, index) => ({
      id,
      path: [{ anchor: id, from: 0, to: 3 }],
      finalNorm: true,
      macs: 10 * (index + 1),
      ...(id === 'b' ? {} : { top1: 0.3 + index / 10 }),
    }));
    const stitched = { ...alone[2]!, id: 'a.1+c.2', path: [...alone[0]!.path, { stitch: 's' }, ...alone[2]!.path], macs: 25 };
    const points = plotRoutes({ anchors, routes: [...alone, stitched] });
    expect(points.map(({ id, anchor }) => [id, anchor])).toEqual([
      ['a', 'Net a'],
      ['c', 'Net c'],
      ['a.1+c.2', undefined],
    ]);
    const svg = accuracyPlot('x', points);
    expect(svg).toContain('Net c, 50.00 %');
    expect(svg).toContain('2 anchors, 1 stitched routes; 2 are on the Pareto front');
    expect(svg).toMatch(/prefers-color-scheme:dark/);
  });

  it('of the README is of the default bundle as it is', async () => {
    const root = fileURLToPath(new URL('../../../../', import.meta.url));
    const { manifest } = await readManifest(join(root, dirname(DEFAULT_BUNDLE)));
    const drawn = readFileSync(join(root, 'docs/images/photos-pareto.svg'), 'utf8');
    const command = `npm run model -- plot ${dirname(DEFAULT_BUNDLE)} --out docs/images/photos-pareto.svg`;
    expect(drawn === accuracyPlot(manifest.name, plotRoutes(manifest)), `draw it again: ${command}`).toBe(true);
  });

  it('of a bundle without accuracies is refused with the remedy', async () => {
    const folder = join(temporaryFolder(), 'family');
    await writeBundle(folder, sampleFamily());
    const { code, errors } = await run('plot', folder, '--out', join(folder, 'x.svg'));
    expect([code, errors]).toEqual([1, expect.stringContaining('Run `evaluate`')]);
    expect(readdirSync(folder)).not.toContain('x.svg');
  });

  it('puts the better above and the dearer to the right', () => {
    const at = [...accuracyPlot('x', routes).matchAll(/<circle class="\w+" cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    const [dominated, front] = at; // the front is drawn last
    expect(front![0]).toBeLessThan(dominated![0]!);
    expect(front![1]).toBeLessThan(dominated![1]!);
  });

  it('has round marks that cover the range', () => {
    expect(ticks(46, 169, 7)).toEqual([40, 60, 80, 100, 120, 140, 160, 180]);
    expect(ticks(28, 39, 6)).toEqual([28, 30, 32, 34, 36, 38, 40]);
    expect(ticks(5, 5, 6)[0]).toBeLessThanOrEqual(5);
  });
});

describe('progress', () => {
  it('is silent for a second, then tells the time that is left at the pace so far', () => {
    const lines: string[] = [];
    let now = 0;
    const progress = createProgress({ isTTY: true, write: (text) => void lines.push(text) }, () => now);
    progress.update('fitting', 0);
    now = 900;
    progress.update('fitting', 0.1);
    expect(lines).toEqual([]);
    now = 20_000;
    progress.update('fitting', 0.25);
    expect(lines.at(-1)).toContain('fitting 25 %, 1 min 0 s left');
    progress.end();
    expect(lines.at(-1)).toBe('\r\u001B[K');
  });

  it('writes a line now and then where nothing can be rewritten', () => {
    const lines: string[] = [];
    let now = 0;
    const progress = createProgress({ isTTY: false, write: (text) => void lines.push(text) }, () => now);
    for (let i = 0; i <= 60; i += 1) {
      now = i * 1000;
      progress.update('x', i / 60);
    }
    progress.end();
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.length).toBeLessThan(9);
    expect(lines.every((line) => line.endsWith('\n'))).toBe(true);
  });

  it('speaks of time as people do', () => {
    expect([duration(42.4), duration(185), duration(7800)]).toEqual(['42 s', '3 min 5 s', '2 h 10 min']);
  });
});
