import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseClassifyArguments } from '../../../src/tools/lib/classify-arguments';
import { jsonDocument, table, type Outcome } from '../../../src/tools/lib/classify-report';

afterEach(() => vi.restoreAllMocks());

/** What the parser answers, and what it prints on each stream. */
function parse(...args: string[]) {
  const printed = { out: '', err: '' };
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((printed.out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((printed.err += String(text)), true));
  return { result: parseClassifyArguments(args), ...printed };
}

describe('the arguments of classify', () => {
  it('have defaults', () => {
    expect(parse('a.jpg', 'b.jpg').result).toEqual({ photos: ['a.jpg', 'b.jpg'], backend: 'auto', json: false });
  });

  it('may stand anywhere', () => {
    const { result } = parse(
      '--budget',
      '12.5',
      'a.jpg',
      '--json',
      '--route=w64',
      'b.jpg',
      '--backend',
      'wasm',
      '--bundle',
      'x/manifest.json',
    );
    const photos = ['a.jpg', 'b.jpg'];
    expect(result).toEqual({ photos, budget: 12.5, json: true, route: 'w64', backend: 'wasm', bundle: 'x/manifest.json' });
  });

  it.each([
    [['a.jpg', '--budget', '0'], 'a number of milliseconds above 0'],
    [['a.jpg', '--budget', '-5'], 'a number of milliseconds above 0'],
    [['a.jpg', '--budget', 'fast'], 'a number of milliseconds above 0'],
    [['a.jpg', '--budget', ''], 'a number of milliseconds above 0'],
    [['a.jpg', '--budget'], 'argument missing'],
    [['a.jpg', '--backend', 'abacus'], 'Allowed choices are auto, webgpu, wasm, cpu'],
    [['a.jpg', '--colour'], "unknown option '--colour'"],
    [[], "missing required argument 'photo'"],
  ])('%j are refused', (args, why) => {
    const { result, out, err } = parse(...args);
    expect(result).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(why);
  });

  it('include help with examples', () => {
    const { result, out, err } = parse('--help');
    expect(result).toBe(0);
    expect(err).toBe('');
    expect(out).toContain('npm run classify -- photo.jpg');
  });
});

describe('the report of classify', () => {
  const top = [
    { index: 4, label: 'goldfish', probability: 0.9234 },
    { index: 1, label: 'cat', probability: 0.05 },
  ];
  const outcomes: Outcome[] = [
    { file: 'long/name.jpg', answer: { seq: 1, route: 'a', executor: 'wasm', top, timing: { totalMs: 7.25, encodeMs: 0 } } },
    { file: 'gone.jpg', error: { code: 'file', message: 'no such file' } },
  ];

  it('is a table of what was classified', () => {
    expect(table(outcomes)).toBe(
      [
        'photo          label     probability  route  executor   ms',
        'long/name.jpg  goldfish       92.3 %  a      wasm      7.3',
      ].join('\n'),
    );
    expect(table(outcomes.slice(1))).toBe('');
  });

  it('is one JSON document with every photo in order', () => {
    const engine = {
      bundle: { name: 'b', version: '1' },
      executor: 'wasm' as const,
      reason: 'r',
      latencyMs: 33,
      routes: ['a'],
    };
    expect(JSON.parse(jsonDocument(outcomes, engine))).toEqual({
      bundle: { name: 'b', version: '1' },
      executor: 'wasm',
      reason: 'r',
      budgetMs: 33,
      results: [
        { file: 'long/name.jpg', label: 'goldfish', probability: 0.9234, route: 'a', executor: 'wasm', ms: 7.25, top },
        { file: 'gone.jpg', error: { code: 'file', message: 'no such file' } },
      ],
    });
    expect(JSON.parse(jsonDocument(outcomes.slice(1), undefined))).toEqual({ results: [outcomes[1]] });
  });
});
