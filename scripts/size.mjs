/**
 * `npm run size`: gzip sizes of the built demo's JavaScript, against size-budget.json.
 *
 * What counts as the page and the worker is read from the built files themselves: the static imports of the pages' module
 * scripts and of the workers they start. What is only reached through `import()` (the fallback executor with tfjs' own
 * kernels) is listed apart, and .wasm files too. `npm run size -- FOLDER` measures another build.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import process, { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parseSync } from 'vite';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const site = resolve(ROOT, argv[2] ?? 'dist/site');

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
function readBuild() {
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
  const pages = paths.filter((path) => path.endsWith('.html'));
  const entries = pages.flatMap((page) => {
    const html = readFileSync(join(site, page), 'utf8');
    const sources = [...html.matchAll(/<script\b[^>]*\bsrc="([^"]+)"/g)].map(([, src]) => src);
    return sources
      .map((src) => posix.join(src.startsWith('/') ? '.' : posix.dirname(page), src))
      .filter((one) => known.has(one));
  });
  return { scripts, entries, wasm: paths.filter((path) => path.endsWith('.wasm')) };
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

function main() {
  if (!existsSync(site)) throw new Error(`no folder ${relative(ROOT, site)}: run \`npm run build\` first`);
  const { scripts, entries, wasm } = readBuild();
  if (entries.length === 0) throw new Error(`no page with a script in ${relative(ROOT, site)}: run \`npm run build\` first`);
  const follow = (paths, kind) => [...paths].flatMap((path) => scripts.get(path).links[kind]);
  const page = closure(scripts, entries);
  const worker = closure(scripts, follow(page, 'worker'));
  const counted = new Set([...page, ...worker]);
  const rest = [...scripts.keys()].filter((path) => !counted.has(path));
  const sum = (paths) => [...paths].reduce((total, path) => total + scripts.get(path).gzip, 0);
  const list = (title, paths) => {
    if (paths.length === 0) return;
    console.log(`${kb(sum(paths))}  ${title}`);
    for (const path of paths) console.log(`${kb(scripts.get(path).gzip)}    ${path}`);
  };
  list('page', [...page]);
  list(
    'worker',
    [...worker].filter((path) => !page.has(path)),
  );
  list('only on demand (not in the budget)', rest);
  for (const path of wasm) console.log(`${kb(gzipSync(readFileSync(join(site, path))).length)}  ${path} (not in the budget)`);

  const budget = JSON.parse(readFileSync(join(ROOT, 'size-budget.json'), 'utf8')).pageAndWorker;
  const total = sum(counted);
  console.log(`${kb(total)}  page and worker, gzip; budget${kb(budget)}`);
  if (worker.size === 0) throw new Error('no worker was found behind the page, so the sum above is not the whole');
  if (total > budget) {
    console.error(`size: ${kb(total - budget).trim()} over the budget in size-budget.json`);
    process.exitCode = 1;
  }
}

try {
  main();
} catch (error) {
  console.error(`size: ${error.message}`);
  process.exitCode = 1;
}
