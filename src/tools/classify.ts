/** `npm run classify -- photo.jpg …`: classifies photos with the web engine in a headless browser. See `--help`. */
import { access, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import process, { argv, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { browserPath, openPage, ToolError, type OpenPage } from './lib/browser';
import { DEFAULT_BUNDLE, parseClassifyArguments, type ClassifyArguments } from './lib/classify-arguments';
import { jsonDocument, table, type Outcome } from './lib/classify-report';
import { startHost } from './lib/host';
import type { Answer, Failure, Loaded } from './page/protocol';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const USAGE = 2;

class UsageError extends ToolError {}

type Photo = { readonly file: string } & ({ readonly bytes: Uint8Array } | { readonly error: Failure });

/** A line that is overwritten, on a terminal only. */
function progress(text: string): void {
  if (stderr.isTTY) stderr.write(`\r\x1b[K${text}`);
}

function complain(text: string): void {
  progress('');
  console.error(text);
}

async function readPhoto(file: string): Promise<Photo> {
  try {
    return { file, bytes: await readFile(file) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = { ENOENT: 'no such file', EISDIR: 'a folder, not a file', EACCES: 'not readable' }[code ?? ''];
    return { file, error: { code: 'file', message: why ?? String(error) } };
  }
}

/** Path of manifest.json (a folder means the one inside it), or its URL. */
async function findManifest(given: string | undefined): Promise<string | URL> {
  if (given !== undefined && /^https?:\/\//.test(given)) return new URL(given);
  let path = given === undefined ? join(ROOT, DEFAULT_BUNDLE) : resolve(given);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) path = join(path, 'manifest.json');
  await access(path).catch(() => {
    throw new ToolError(`no bundle at ${given ?? DEFAULT_BUNDLE}`);
  });
  return path;
}

function valueOf<T>(answer: Answer<T>): T {
  if ('error' in answer) throw new ToolError(`the engine did not start: ${answer.error.message}`);
  return answer.value;
}

async function load(page: OpenPage, manifest: string | URL, { backend, budget }: ClassifyArguments): Promise<Loaded> {
  const name = manifest instanceof URL ? manifest.pathname : manifest;
  const options = { manifest: `bundle/${name.split(/[/\\]/).at(-1) ?? ''}`, backend };
  return valueOf(await page.load(budget === undefined ? options : { ...options, latencyMs: budget }));
}

async function classifyAll(
  photos: readonly Photo[],
  args: ClassifyArguments,
): Promise<{ outcomes: Outcome[]; engine?: Loaded }> {
  const readable = photos.flatMap((photo) => ('bytes' in photo ? [photo.bytes] : []));
  const unread = photos.flatMap((photo) => ('error' in photo ? [photo] : []));
  if (readable.length === 0) return { outcomes: unread };

  const manifest = await findManifest(args.bundle);
  const browser = browserPath();
  progress('starting the browser');
  const host = await startHost(manifest, readable);
  let page: OpenPage | undefined;
  try {
    page = await openPage(browser, host.url, (phase, share) => progress(`${phase} ${Math.round(share * 100)} %`));
    const engine = await load(page, manifest, args);
    if (args.route !== undefined && !engine.routes.includes(args.route)) {
      const list = engine.routes.map((id) => `\n  ${id}`).join('');
      throw new UsageError(`the bundle ${engine.bundle.name} has no route ${args.route}; it has:${list}`);
    }
    const outcomes: Outcome[] = [];
    let sent = 0;
    for (const photo of photos) {
      if ('error' in photo) {
        outcomes.push(photo);
        continue;
      }
      progress(`photo ${sent + 1} of ${readable.length}`);
      const answer = await page.classify(`photos/${sent++}`, args.route);
      outcomes.push({ file: photo.file, ...('error' in answer ? { error: answer.error } : { answer: answer.value }) });
    }
    return { outcomes, engine };
  } finally {
    progress('');
    await page?.close();
    host.close();
  }
}

async function main(): Promise<number> {
  const args = parseClassifyArguments(argv.slice(2));
  if (typeof args === 'number') return args;
  try {
    const { outcomes, engine } = await classifyAll(await Promise.all(args.photos.map(readPhoto)), args);
    const failed = outcomes.flatMap((one) => ('error' in one ? [one] : []));
    for (const { file, error } of failed) complain(`${file}: ${error.message}`);
    const text = args.json ? jsonDocument(outcomes, engine) : table(outcomes);
    if (text !== '') console.log(text);
    return failed.length > 0 ? 1 : 0;
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    complain(`classify: ${error.message}`);
    return error instanceof UsageError ? USAGE : 1;
  }
}

process.exitCode = await main();
