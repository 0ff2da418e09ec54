/**
 * `npm run build:lib`: the npm package's JavaScript and declarations, in dist/lib.
 *
 * - pages: the ES modules that an application imports, sharing chunks; comlink is inside, React is not.
 * - worker: the engine, self-contained, with the fallback executor as chunks of its own.
 * - script: one IIFE for `<script src>`, which carries its worker, and the fallback executor beside it.
 * - node: the stitching API and the command line, with every library left outside.
 *
 * Addresses of the worker and of .wasm files stay literal (`new URL('./x', import.meta.url)`), so that bundlers follow them.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { build, parseSync } from 'vite';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (path) => join(ROOT, path);
const OUT = argv[2] ?? at('dist/lib');
const { name: PACKAGE, version } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
const BANNER = `/*! ${PACKAGE} ${version} | Apache-2.0 | bundled libraries: LICENSES.md */`;

/** tfjs looks whether these are there. In what pages load they are not, but webpack answers that `typeof` as if they were. */
const NO_COMMONJS = { __filename: 'undefined', __dirname: 'undefined' };

/** `x?url` and the worker's address as literal `new URL('./file', import.meta.url)`, which vite itself would resolve or inline. */
function literalAddresses() {
  const files = new Map();
  const placeholder = (file) => {
    const name = `__ADDRESS_${files.size}__`;
    files.set(name, file);
    return name;
  };
  return {
    name: 'literal-addresses',
    enforce: 'pre',
    resolveId: {
      order: 'pre',
      async handler(id, importer) {
        if (!id.endsWith('.wasm?url')) return null;
        const found = await this.resolve(id.slice(0, -'?url'.length), importer, { skipSelf: true });
        return found && `\0address:${found.id}`;
      },
    },
    load(id) {
      if (!id.startsWith('\0address:')) return null;
      const path = id.slice('\0address:'.length);
      const file = basename(path);
      this.emitFile({ type: 'asset', fileName: file, source: readFileSync(path) });
      return `export default new URL(${placeholder(file)}, import.meta.url).href;`;
    },
    transform(code) {
      const worker = /new URL\('[^']*\/engine\/worker\.ts', import\.meta\.url\)/;
      return worker.test(code) ? code.replace(worker, `new URL(${placeholder('worker.js')}, import.meta.url)`) : null;
    },
    renderChunk: (code) => code.replace(/__ADDRESS_\d+__/g, (name) => `'./${files.get(name)}'`),
  };
}

/** Reads `to` wherever a file of `folder` imports `from`. */
function replacing(folder, from, to) {
  return {
    name: 'replacing',
    enforce: 'pre',
    resolveId: (id, importer) => (id === from && importer?.startsWith(at(folder)) ? at(to) : null),
  };
}

async function bundle({
  entries,
  outDir = OUT,
  formats = ['es'],
  external = [],
  plugins = [],
  write = true,
  node = false,
  ...rest
}) {
  const built = await build({
    configFile: false,
    root: ROOT,
    publicDir: false,
    logLevel: 'warn',
    mode: 'production',
    plugins: [...plugins, literalAddresses()],
    define: node ? {} : NO_COMMONJS,
    build: {
      outDir,
      write,
      emptyOutDir: false,
      target: 'es2022',
      minify: rest.minify ?? true,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 10_000,
      license: rest.license === undefined ? false : { fileName: rest.license },
      // For Node: no library goes in, and addresses relative to the file are left alone.
      ...(node ? { ssr: true } : { lib: { entry: entries, formats, name: 'RunningStitch' } }),
      rolldownOptions: {
        external,
        ...(node ? { input: entries } : {}),
        output: {
          banner: BANNER,
          // Whitespace too, which vite leaves in ES libraries.
          minify: rest.minify ?? true,
          entryFileNames: '[name].js',
          chunkFileNames: '[name]-[hash].js',
          ...rest.output,
        },
      },
    },
  });
  return (Array.isArray(built) ? built : [built]).flatMap((one) => one.output);
}

async function buildPages() {
  const entries = { index: at('src/index.ts'), element: at('src/element/index.ts'), react: at('src/react/index.ts') };
  await bundle({ entries, external: [/^react(\/|$)/], license: 'licenses/pages.md' });
  // By itself: chunks shared with the simulator would bring parts of it to every page.
  await bundle({ entries: { control: at('src/control/index.ts') } });
}

async function buildWorker() {
  await bundle({
    entries: { worker: at('src/engine/worker.ts') },
    license: 'licenses/worker.md',
    output: { chunkFileNames: 'worker-[name]-[hash].js' },
  });
}

async function buildScript() {
  const single = { codeSplitting: false };
  const [worker] = await bundle({
    entries: { worker: at('src/engine/worker.ts') },
    plugins: [replacing('src/engine', '../reference/executor', 'src/embed/reference-executor.ts')],
    output: { ...single, banner: '' },
    write: false,
  });
  const carried = {
    name: 'carried-worker',
    resolveId: (id) => (id === 'virtual:engine-worker' ? `\0${id}` : null),
    load: (id) => (id === '\0virtual:engine-worker' ? `export const source = ${JSON.stringify(worker.code)};` : null),
  };
  await bundle({
    entries: { 'running-stitch.iife': at('src/embed/script.ts') },
    formats: ['iife'],
    plugins: [carried, replacing('src/runtime', './start-worker', 'src/embed/start-worker.ts')],
    license: 'licenses/script.md',
  });
  await bundle({ entries: { 'running-stitch.fallback': at('src/reference/executor.ts') }, output: single });
}

async function buildNode() {
  await bundle({ entries: { stitch: at('src/stitching/index.ts') }, node: true });
  await bundle({
    entries: { 'running-stitch': at('src/tools/bin.ts') },
    outDir: join(OUT, 'cli'),
    node: true,
    minify: false,
    output: { banner: (chunk) => (chunk.isEntry ? `#!/usr/bin/env node\n${BANNER}` : BANNER) },
  });
  // The page that the command line opens in a browser.
  await build({
    configFile: false,
    root: at('src/tools/page'),
    base: './',
    publicDir: false,
    logLevel: 'warn',
    worker: { format: 'es' },
    build: { outDir: join(OUT, 'page'), emptyOutDir: false, target: 'es2022', reportCompressedSize: false },
  });
}

/** Declarations, with the file extensions that Node's resolution asks for and a bundler's does without. */
function buildTypes() {
  // Types are checked by `npm run typecheck`.
  const tsc = at('node_modules/typescript/bin/tsc');
  const types = join(OUT, 'types');
  execFileSync(execPath, [tsc, '--project', at('tsconfig.lib.json'), '--noCheck', '--outDir', types], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  const files = readdirSync(types, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = new Set(files.map((entry) => join(entry.parentPath, entry.name)));
  for (const path of paths) writeFileSync(path, withExtensions(path, readFileSync(path, 'utf8'), paths));
}

function withExtensions(path, code, known) {
  const { program, errors } = parseSync(path, code);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0].message}`);
  const sources = [];
  const visit = (node) => {
    if (typeof node !== 'object' || node === null) return;
    if (node.source?.type === 'Literal' && node.source.value.startsWith('.')) sources.push(node.source);
    for (const child of Object.values(node)) visit(child);
  };
  visit(program);
  // From the end, so that positions stay true.
  return sources
    .sort((a, b) => b.start - a.start)
    .reduce((text, { start, end, value }) => {
      const target = join(dirname(path), value);
      const file = [`${value}.js`, `${value}/index.js`].find((_, i) =>
        known.has([`${target}.d.ts`, join(target, 'index.d.ts')][i]),
      );
      if (file === undefined) throw new Error(`${path} imports ${value}, which has no declarations`);
      return `${text.slice(0, start)}'${file}'${text.slice(end)}`;
    }, code);
}

/** One file of the licences of what is bundled. */
function gatherLicenses() {
  const folder = join(OUT, 'licenses');
  const sections = new Map();
  for (const file of readdirSync(folder)) {
    const [, ...parts] = readFileSync(join(folder, file), 'utf8').split(/^(?=## )/m);
    for (const part of parts) sections.set(part.split('\n')[0], part.trim());
  }
  rmSync(folder, { recursive: true });
  const body = [...sections.values()].sort((a, b) => a.localeCompare(b)).join('\n\n');
  writeFileSync(join(OUT, 'LICENSES.md'), `# Licences of the libraries inside the built files\n\n${body}\n`);
}

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
await buildPages();
await buildWorker();
await buildScript();
await buildNode();
buildTypes();
gatherLicenses();
console.log(`built ${readdirSync(OUT, { recursive: true }).length} files in ${posix.join(...relative(ROOT, OUT).split(sep))}`);
