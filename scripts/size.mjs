/**
 * `npm run size`: gzip sizes of the built JavaScript, against size-budget.json.
 *
 * The package (dist/lib): each entry with its static imports, the runtime that the first call fetches, the worker, and the script
 * build. The demo (dist/site): what each page and its workers load. Both are read from the built files themselves; what is only reached
 * through `import()` (the fallback executor with tfjs' own kernels) is listed apart, and .wasm files too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parseSync } from 'vite';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const posixPath = (path) => path.split(sep).join('/');
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posixPath(relative(folder, join(entry.parentPath, entry.name))));

function visit(node, seen) {
  if (typeof node !== 'object' || node === null) return;
  if (node.type) seen(node);
  for (const child of Object.values(node)) visit(child, seen);
}

/** String constants anywhere inside a node: where the URL of a worker hides. */
function strings(node) {
  const found = [];
  visit(node, (one) => {
    if (one.type === 'Literal' && typeof one.value === 'string') found.push(one.value);
    if (one.type === 'TemplateElement') found.push(one.value.cooked);
  });
  return found;
}

/** The other files a script names: static imports, dynamic ones, workers. */
function linksOf(code, path) {
  const links = { static: [], lazy: [], worker: [] };
  const { program, errors } = parseSync(path, code);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0].message}`);
  visit(program, (node) => {
    if (/^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type) && node.source) links.static.push(node.source.value);
    if (node.type === 'ImportExpression') links.lazy.push(...strings(node.source));
    if (node.type === 'NewExpression' && (node.callee.name ?? node.callee.property?.name)?.endsWith('Worker')) {
      links.worker.push(...strings(node.arguments).filter((text) => /\.m?js$/.test(text)));
    }
  });
  return links;
}

/** Built files by path, each script with its links resolved to paths of this build. */
function readBuild(site) {
  const paths = filesIn(site);
  const known = new Set(paths);
  const scripts = new Map();
  for (const path of paths.filter((one) => /\.m?js$/.test(one))) {
    const bytes = readFileSync(join(site, path));
    const links = linksOf(bytes.toString('utf8'), path);
    // Relative to the file, or to the site where a URL starts with a slash (a public base path).
    const found = (target) =>
      [
        posix.join(posix.dirname(path), target),
        posix.join('.', target),
        posix.join(posix.dirname(path), posix.basename(target)),
      ].find((one) => known.has(one));
    const resolved = Object.entries(links).map(([kind, targets]) => [kind, targets.map(found).filter(Boolean)]);
    scripts.set(path, { gzip: gzipSync(bytes, { level: 9 }).length, links: Object.fromEntries(resolved) });
  }
  const pages = paths
    .filter((path) => path.endsWith('.html'))
    .map((page) => {
      const html = readFileSync(join(site, page), 'utf8');
      const sources = [...html.matchAll(/<script\b[^>]*\bsrc="([^"]+)"/g)].map(([, src]) => src);
      const entries = sources.map((src) => posix.join(src.startsWith('/') ? '.' : posix.dirname(page), src));
      return { page, entries: entries.filter((one) => known.has(one)) };
    });
  return { scripts, pages, wasm: paths.filter((path) => path.endsWith('.wasm')) };
}

/** Everything reached from these scripts by static imports. */
function closure(scripts, from) {
  const reached = new Set();
  const queue = [...from];
  while (queue.length > 0) {
    const path = queue.pop();
    if (reached.has(path)) continue;
    reached.add(path);
    queue.push(...scripts.get(path).links.static);
  }
  return reached;
}

const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`.padStart(9);

const BUDGETS = JSON.parse(readFileSync(join(ROOT, 'size-budget.json'), 'utf8'));

function check(title, bytes, budget) {
  console.log(`${kb(bytes)}  ${title}, gzip; budget${kb(budget)}`);
  if (bytes <= budget) return;
  console.error(`size: ${title} is ${kb(bytes - budget).trim()} over the budget in size-budget.json`);
  process.exitCode = 1;
}

/** The build with what it takes to measure it. Throws where the folder is not there. */
function open(folder, command) {
  const path = join(ROOT, folder);
  if (!existsSync(path)) throw new Error(`no folder ${folder}: run \`${command}\` first`);
  const { scripts, pages, wasm } = readBuild(path);
  const sum = (paths) => [...paths].reduce((total, one) => total + scripts.get(one).gzip, 0);
  return {
    scripts,
    pages,
    sum,
    reach: (from) => closure(scripts, from),
    follow: (paths, kind) => [...paths].flatMap((one) => scripts.get(one).links[kind]),
    list(title, paths) {
      if (paths.length === 0) return;
      console.log(`${kb(sum(paths))}  ${title}`);
      for (const one of paths) console.log(`${kb(scripts.get(one).gzip)}    ${one}`);
    },
    listWasm() {
      for (const one of wasm) {
        console.log(`${kb(gzipSync(readFileSync(join(path, one))).length)}  ${one} (not in the budget)`);
      }
    },
  };
}

function measurePackage() {
  const { scripts, sum, reach, follow, list, listWasm } = open('dist/lib', 'npm run build:lib');
  console.log('the package');
  const entry = reach(['index.js']);
  for (const name of ['element.js', 'react.js', 'control.js', 'stitch.js']) console.log(`${kb(sum(reach([name])))}  ${name}`);
  check('index.js', sum(entry), BUDGETS.entry);
  // What the first call fetches on the page: the chunks that the entry names lazily.
  const page = reach([...entry, ...follow(entry, 'lazy')]);
  check('index.js with the runtime', sum(page), BUDGETS.page);
  const worker = reach(follow(page, 'worker'));
  if (worker.size === 0) throw new Error('no worker was found behind dist/lib/index.js');
  check('worker.js', sum(worker), BUDGETS.worker);
  check('running-stitch.iife.js, worker included', scripts.get('running-stitch.iife.js').gzip, BUDGETS.script);
  list(
    'only on demand (not in the budget)',
    [...scripts.keys()].filter((path) => /^worker|fallback/.test(path) && !worker.has(path)),
  );
  listWasm();
}

function measureSite() {
  const { scripts, pages, sum, reach, follow, list, listWasm } = open('dist/site', 'npm run build');
  const counted = new Set();
  console.log('the demo');
  for (const { page, entries } of pages) {
    if (entries.length === 0) throw new Error(`dist/site/${page} loads no script: run \`npm run build\` first`);
    // The runtime comes with the page's first call.
    const start = reach(entries);
    const own = reach([...start, ...follow(start, 'lazy').filter((path) => /\bruntime-/.test(path))]);
    const worker = reach(follow(own, 'worker'));
    if (worker.size === 0) throw new Error(`no worker was found behind dist/site/${page}`);
    list(page, [...own]);
    list(
      'worker',
      [...worker].filter((path) => !own.has(path)),
    );
    const loaded = new Set([...own, ...worker]);
    for (const path of loaded) counted.add(path);
    check(`${page} and worker`, sum(loaded), BUDGETS.demo);
  }
  if (pages.length === 0) throw new Error('no page in dist/site: run `npm run build` first');
  list(
    'only on demand (not in the budget)',
    [...scripts.keys()].filter((path) => !counted.has(path)),
  );
  listWasm();
}

try {
  measurePackage();
  measureSite();
} catch (error) {
  console.error(`size: ${error.message}`);
  process.exitCode = 1;
}
