import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { replacePart } from '../../bench/lib/document';
import { SHAPES } from '../../bench/lib/shapes';

const part = (id: string, body: string) => `<!-- ${id}: written by a program, do not edit -->${body}<!-- end of ${id} -->`;

describe('replacePart', () => {
  it('replaces what stands between the markers and nothing else', () => {
    const text = `before\n${part('a', '\nold\n')}\nbetween\n${part('b', '\nstays\n')}\nafter`;
    expect(replacePart(text, 'a', 'new\n')).toBe(
      `before\n${part('a', '\n\nnew\n\n')}\nbetween\n${part('b', '\nstays\n')}\nafter`,
    );
  });

  it('gives the same text when run twice', () => {
    const once = replacePart(part('a', ''), 'a', 'body');
    expect(replacePart(once, 'a', 'body')).toBe(once);
  });

  it.each([
    ['none', 'nothing here'],
    ['no end', part('a', '').replace('<!-- end of a -->', '')],
    ['two beginnings', part('a', '').replace('-->', '--><!-- a: written by a program, do not edit -->')],
    ['two ends', `${part('a', '')}<!-- end of a -->`],
    ['the wrong way round', '<!-- end of a --><!-- a: written by a program, do not edit -->'],
  ])('refuses a document with %s', (_, text) => {
    expect(() => replacePart(text, 'a', 'body')).toThrow('exactly one pair');
  });
});

describe('docs/benchmarks.md', () => {
  const text = readFileSync(fileURLToPath(new URL('../../../docs/benchmarks.md', import.meta.url)), 'utf8');
  const parts = ['bench bundle', 'bench deit', ...Object.keys(SHAPES).map((id) => `bench:peers ${id}`)];

  it.each(parts)('has a place for %s', (id) => {
    expect(replacePart(text, id, 'body')).toContain('\n\nbody\n\n');
  });
});
