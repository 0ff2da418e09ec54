/** The import law (ARCHITECTURE.md): which folder may import which, where each library lives, what a worker may name. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';
import { describe, expect, it } from 'vitest';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What each layer may import besides itself; `type:` means only `import type`. */
const LAW: Readonly<Record<string, readonly string[]>> = {
  core: [],
  // The reading of tensors is the one part of the bundle whose code both executors may use.
  'bundle/safetensors': ['core'],
  // What is kept on the device: written by the worker, counted and cleared by the page too.
  'bundle/store': ['core', 'bundle'],
  // The demo's; it knows nothing of what it keeps.
  'service-worker': [],
  bundle: ['core', 'bundle/safetensors', 'bundle/store'],
  model: ['core', 'type:bundle', 'type:bundle/safetensors'],
  input: ['core', 'type:bundle', 'type:engine/api'],
  gpu: ['core', 'model', 'input', 'bundle/safetensors', 'engine/executor', 'type:bundle', 'type:engine/api'],
  reference: ['core', 'model', 'input', 'bundle/safetensors', 'engine/executor', 'type:bundle', 'type:engine/api'],
  // The two contracts of the engine: with the page, and with what computes.
  'engine/api': ['type:core'],
  'engine/executor': ['type:core', 'type:bundle', 'type:bundle/safetensors', 'type:engine/api'],
  // Fitting stitches: usable in a page and in Node, so it knows neither the bundle's downloads nor the tools.
  stitching: ['core', 'model', 'input', 'reference', 'bundle/safetensors', 'type:bundle'],
  engine: ['core', 'bundle', 'bundle/safetensors', 'model', 'input', 'gpu', 'reference', 'engine/executor', 'type:engine/api'],
  control: ['core'],
  // The controller's public sub-path.
  'control/index': ['core', 'control'],
  monitor: ['core', 'type:control'],
  runtime: ['core', 'monitor', 'control', 'bundle/store', 'type:engine/api'],
  index: ['core', 'runtime', 'control', 'type:engine/api'],
  // Users of the runtime, for those who write no script of their own: one network for all of them, a tag, a hook, a script build.
  shared: ['core', 'control', 'runtime', 'type:engine/api'],
  element: ['core', 'shared', 'type:control', 'type:runtime', 'type:engine/api'],
  react: ['core', 'shared', 'type:runtime', 'type:engine/api'],
  embed: ['core', 'index', 'element', 'runtime', 'type:reference'],
  demo: ['index', 'control/index'],
  'tools/page': ['index'],
  tools: [
    'core',
    'bundle',
    'bundle/safetensors',
    'model',
    'input',
    'reference',
    'stitching',
    'control',
    'control/index',
    'type:index',
    'type:tools/page',
    'scripts',
  ],
};

/** Where each library may be imported. Any other bare import in src is a mistake, but in tools. */
const LIBRARIES: readonly { readonly name: RegExp; readonly homes: readonly RegExp[] }[] = [
  { name: /^comlink$/, homes: [/^src\/runtime\/link\.ts$/, /^src\/engine\/worker\.ts$/] },
  { name: /^idb-keyval$/, homes: [/^src\/bundle\/store\.ts$/, /^src\/core\/kept\.ts$/] },
  { name: /^react$/, homes: [/^src\/react\//] },
  { name: /^virtual:engine-worker$/, homes: [/^src\/embed\/start-worker\.ts$/] },
  // The umbrella package drags five times the bytes: never in what a page loads.
  { name: /^@tensorflow\/tfjs$/, homes: [/^src\/tools\//] },
  { name: /^@tensorflow\//, homes: [/^src\/gpu\/tf\.ts$/, /^src\/(?:reference|stitching|tools)\//] },
  { name: /./, homes: [/^src\/tools\/(?!page\/)/] },
];

/** Layers that run in the worker: no page object may be named there. */
const WORKER_FOLDERS = /^(bundle|engine|gpu|input|model|reference|stitching)\b/;
const PAGE_GLOBALS = new Set(['document', 'window', 'getBattery']);

const MAX_LINES = 300;
/** Files allowed to be longer, each with its reason. */
const LONGER: ReadonlySet<string> = new Set([]);

interface SourceFile {
  readonly path: string;
  readonly text: string;
}
interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}
interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

function layerOf(path: string): string {
  if (!path.startsWith('src')) return path.split('/')[0] ?? '';
  if (/^src(\/index(\.ts)?)?$/.test(path)) return 'index';
  const part = /^src\/(engine\/(?:api|executor)|bundle\/(?:safetensors|store)|control\/index)(\.ts)?$/.exec(path)?.[1];
  if (part !== undefined) return part;
  if (path.startsWith('src/tools/page/')) return 'tools/page';
  return path.split('/')[1] ?? '';
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

function walk(node: Node, visit: (node: Node, parent: Node | undefined, key: string) => void, parent?: Node, key = ''): void {
  visit(node, parent, key);
  for (const [name, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, node, name);
  }
}

const text = (node: unknown): string | undefined =>
  isNode(node) && typeof node['value'] === 'string' ? node['value'] : undefined;

/** Every import, export-from, import(), and worker or asset URL of a file. */
function importsOf(program: Node): Import[] {
  const found: Import[] = [];
  walk(program, (node) => {
    const specifiers = (node['specifiers'] as Node[] | undefined) ?? [];
    const kinds = [node['importKind'], node['exportKind']];
    const typeOnly =
      kinds.includes('type') ||
      (specifiers.length > 0 && specifiers.every((s) => s['importKind'] === 'type' || s['exportKind'] === 'type'));
    const from = text(node['source']);
    if (from !== undefined) found.push({ from, typeOnly: typeOnly || node.type === 'TSImportType' });
  });
  return found;
}

function importProblem(file: SourceFile, layer: string, { from, typeOnly }: Import): string | undefined {
  if (!from.startsWith('.')) {
    const rule = LIBRARIES.find(({ name }) => name.test(from));
    return rule?.homes.some((home) => home.test(file.path)) ? undefined : `library ${from} is not for this file`;
  }
  const target = layerOf(posix.normalize(posix.join(posix.dirname(file.path), from)));
  const allowed = LAW[layer] ?? [];
  if (target === layer || allowed.includes(target)) return undefined;
  if (!allowed.includes(`type:${target}`)) return `${layer} must not import ${target} (${from})`;
  return typeOnly ? undefined : `${layer} may import only types from ${target} (${from})`;
}

/** Names that the file gives to parameters and variables of its own. */
function bindingsOf(program: Node): Set<string> {
  const names = new Set<string>();
  walk(program, (node, _, key) => {
    if (node.type === 'Identifier' && ['id', 'params'].includes(key)) names.add(String(node['name']));
  });
  return names;
}

/** A global is named where it stands for itself or is read from `self` or `globalThis`, not where it is a key. */
function namesPageGlobal(node: Node, parent: Node | undefined, key: string): boolean {
  if (node.type !== 'Identifier' || !PAGE_GLOBALS.has(String(node['name']))) return false;
  if (node['name'] === 'getBattery') return true;
  if (parent?.type === 'MemberExpression' && key === 'property' && parent['computed'] !== true) {
    const object = parent['object'];
    return isNode(object) && ['self', 'globalThis'].includes(String(object['name']));
  }
  return !(key === 'key' && parent?.['computed'] !== true);
}

/** Every breach of the law in these files, as sentences. */
function breaches(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const found: string[] = [];
    const lines = file.text.trimEnd().split('\n').length;
    if (lines > MAX_LINES && !LONGER.has(file.path)) found.push(`${lines} lines, at most ${MAX_LINES}`);
    if (file.path.endsWith('.ts')) {
      const layer = layerOf(file.path);
      if (!(layer in LAW)) found.push(`folder ${layer} has no place in the law`);
      const parsed = parseSync(file.path, file.text);
      for (const error of parsed.errors) found.push(`does not parse: ${error.message}`);
      const program = parsed.program as unknown as Node;
      for (const one of importsOf(program)) found.push(...[importProblem(file, layer, one) ?? []].flat());
      const bound = bindingsOf(program);
      walk(program, (node, parent, key) => {
        if (node.type === 'TSAnyKeyword' && parent?.type === 'TSAsExpression') found.push('casts with `as any`');
        if (WORKER_FOLDERS.test(layer) && !bound.has(String(node['name'])) && namesPageGlobal(node, parent, key)) {
          found.push(`names ${String(node['name'])}, which a worker does not have`);
        }
      });
    }
    return found.map((problem) => `${file.path}: ${problem}`);
  });
}

function sources(): SourceFile[] {
  return (
    readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|wgsl)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({ path: relative(ROOT, path).split(sep).join('/'), text: readFileSync(path, 'utf8') }))
      // Another language, which can import nothing from here.
      .filter(({ path }) => !path.startsWith('src/reference/simd/assembly/'))
  );
}

describe('the import law', () => {
  it('holds in src', () => {
    expect(breaches(sources())).toEqual([]);
    // Every file is parsed, which takes a busy machine a while.
  }, 60_000);

  it('has no exception for a file that does not exist', () => {
    const paths = new Set(sources().map(({ path }) => path));
    expect([...LONGER].filter((path) => !paths.has(path))).toEqual([]);
  });
});

describe('the checker', () => {
  const check = (path: string, code: string) => breaches([{ path, text: code }]);

  it.each([
    ['src/core/a.ts', "import type { M } from '../bundle/manifest';", 'core must not import bundle'],
    ['src/bundle/a.ts', "export * from '../model/vit';", 'bundle must not import model'],
    ['src/model/a.ts', "import { validate } from '../bundle/manifest';", 'only types from bundle'],
    ['src/model/a.ts', "import { type M, validate } from '../bundle/manifest';", 'only types from bundle'],
    ['src/gpu/a.ts', "import { openBundle } from '../bundle/open';", 'only types from bundle'],
    ['src/gpu/a.ts', "import { Engine } from '../engine/engine';", 'gpu must not import engine'],
    ['src/engine/api.ts', "import type { Plan } from '../gpu/plan';", 'engine/api must not import gpu'],
    ['src/control/a.ts', "import type { LoadProgress } from '../engine/api';", 'control must not import engine/api'],
    ['src/runtime/a.ts', "const e = await import('../engine/engine');", 'runtime must not import engine'],
    ['src/demo/a.ts', "import { x } from '../runtime/runtime';", 'demo must not import runtime'],
    ['src/demo/a.ts', "import { decide } from '../control/policy';", 'demo must not import control'],
    ['src/tools/a.ts', "import { createRuntime } from '../index';", 'only types from index'],
    ['src/stitching/a.ts', "import { openBundle } from '../bundle/open';", 'only types from bundle'],
    ['src/stitching/a.ts', "import { x } from '../tools/model/images';", 'stitching must not import tools'],
    ['src/stitching/a.ts', 'const w = window.innerWidth;', 'names window'],
    ['src/tools/page/a.ts', "import { p } from '../../gpu/plan';", 'tools/page must not import gpu'],
    ['src/attic/a.ts', '', 'folder attic has no place'],
    ['src/engine/engine.ts', "import { expose } from 'comlink';", 'library comlink'],
    ['src/control/profile.ts', "import { get } from 'idb-keyval';", 'library idb-keyval'],
    ['src/reference/a.ts', "import * as tf from '@tensorflow/tfjs';", 'library @tensorflow/tfjs'],
    ['src/gpu/plan.ts', "import * as tf from '@tensorflow/tfjs-core';", 'library @tensorflow/tfjs-core'],
    ['src/runtime/a.ts', "import { z } from 'zod';", 'library zod'],
    ['src/element/a.ts', "import { useState } from 'react';", 'library react'],
    ['src/element/a.ts', "import { createRuntime } from '../runtime/runtime';", 'only types from runtime'],
    ['src/shared/a.ts', "import { RunningStitchElement } from '../element/element';", 'shared must not import element'],
    ['src/gpu/a.ts', 'const w = window.innerWidth;', 'names window'],
    ['src/input/a.ts', "const c = self.document.createElement('canvas');", 'names document'],
    ['src/engine/a.ts', 'await navigator.getBattery();', 'names getBattery'],
    ['src/core/a.ts', 'const x = y as any;', 'as any'],
    ['src/core/a.ts', 'const = 1;', 'does not parse'],
  ])('%s: %s', (path, code, problem) => {
    expect(check(path, code).join('\n')).toContain(problem);
  });

  it('counts lines of code and of shaders', () => {
    expect(check('src/core/a.ts', 'const x = 1;\n'.repeat(301))).toEqual(['src/core/a.ts: 301 lines, at most 300']);
    expect(check('src/gpu/kernels/a.wgsl', '\n'.repeat(300) + 'x')).toHaveLength(1);
    expect(check('src/core/a.ts', 'const x = 1;\n'.repeat(300))).toEqual([]);
  });

  it.each([
    ['src/model/a.ts', "import type { M } from '../bundle/manifest';"],
    ['src/model/a.ts', "import { type M, type N } from '../bundle/manifest';"],
    ['src/gpu/a.ts', "import code from './kernels/mlp.wgsl?raw'; import { units } from '../model/route';"],
    ['src/reference/a.ts', "import { f16ToF32 } from '../bundle/safetensors';"],
    ['src/engine/engine.ts', "const r = await import('../reference/executor');"],
    ['src/runtime/link.ts', "import { wrap } from 'comlink'; new Worker(new URL('../engine/worker.ts', import.meta.url));"],
    ['src/demo/main.ts', "import { createRuntime } from '../index'; import './style.css'; document.title = '';"],
    ['src/tools/a.ts', "import { Command } from 'commander'; import { findChromium } from '../../scripts/chromium.mjs';"],
    ['src/gpu/a.ts', '/* window */ const s = "document"; const o = { window: 1 }; use(o.window);'],
    ['src/model/a.ts', 'function f(window: Options) { return window.size; }'],
    ['src/gpu/a.ts', "import { TOP_K } from '../engine/executor';"],
    ['src/core/a.ts', "// import x from '../gpu/plan'\nconst x = y as unknown;"],
  ])('%s may say: %s', (path, code) => {
    expect(check(path, code)).toEqual([]);
  });
});
