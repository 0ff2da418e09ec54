/** `npm run classify -- photo.jpg …`: classifies photos with the web engine in a headless browser. See `--help`. */
import { access, constants, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import process, { argv, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { browserPath, openPage, ToolError, type OpenPage } from './lib/browser';
import { DEFAULT_BUNDLE, parseClassifyArguments, type ClassifyArguments } from './lib/classify-arguments';
import { jsonDocument, table, type Outcome } from './lib/classify-report';
import { startHost, type Host } from './lib/host';
import type { Answer, Failure, Loaded } from './page/protocol';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const USAGE = 2;

class UsageError extends ToolError {}

interface Photo {
  readonly file: string;
  /** Why it cannot be read. */
  readonly error?: Failure;
}

/** A line that is overwritten, on a terminal only. */
function progress(text: string): void {
  if (stderr.isTTY) stderr.write(`\r\x1b[K${text}`);
}

function complain(text: string): void {
  progress('');
  console.error(text);
}

/** Looks whether a photo is there; its bytes are read when its turn comes. */
async function findPhoto(file: string): Promise<Photo> {
  const refuse = (message: string): Photo => ({ file, error: { code: 'file', message } });
  try {
    await access(file, constants.R_OK);
    return (await stat(file)).isDirectory() ? refuse('a folder, not a file') : { file };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return refuse({ ENOENT: 'no such file', EACCES: 'not readable' }[code ?? ''] ?? String(error));
  }
}

/** Path of manifest.json (a folder means the one inside it), or its URL. */
async function findManifest(given: string | undefined): Promise<string | URL> {
  if (given !== undefined && /^https?:\/\//.test(given)) return new URL(given);
  let path = given === undefined ? join(ROOT, DEFAULT_BUNDLE) : resolve(given);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) path = join(path, 'manifest.json');
  await access(path).catch(() => {
    // The npm package carries no weights.
    throw new ToolError(given === undefined ? 'no bundle was named: use --bundle <manifest>' : `no bundle at ${given}`);
  });
  return path;
}

function valueOf<T>(answer: Answer<T>): T {
  if ('error' in answer) throw new ToolError(`the engine did not start: ${answer.error.message}`);
  return answer.value;
}

async function load(page: OpenPage, host: Host, manifest: string | URL, args: ClassifyArguments): Promise<Loaded> {
  const { backend, budget } = args;
  const name = manifest instanceof URL ? manifest.pathname : manifest;
  const options = { manifest: `bundle/${name.split(/[/\\]/).at(-1) ?? ''}`, backend };
  const answer = await page.load(budget === undefined ? options : { ...options, latencyMs: budget });
  const failure = host.upstreamFailure();
  if ('error' in answer && answer.error.code === 'network' && failure !== undefined) throw new ToolError(failure);
  return valueOf(answer);
}

async function classifyAll(
  photos: readonly Photo[],
  args: ClassifyArguments,
): Promise<{ outcomes: Outcome[]; engine?: Loaded }> {
  const readable = photos.flatMap(({ file, error }) => (error === undefined ? [file] : []));
  const unread = photos.flatMap(({ file, error }) => (error === undefined ? [] : [{ file, error }]));
  if (readable.length === 0) return { outcomes: unread };

  const manifest = await findManifest(args.bundle);
  const browser = browserPath();
  progress('starting the browser');
  const host = await startHost(manifest, readable);
  let page: OpenPage | undefined;
  try {
    page = await openPage(browser, host.url, (phase, share) => progress(`${phase} ${Math.round(share * 100)} %`));
    const engine = await load(page, host, manifest, args);
    if (args.route !== undefined && !engine.routes.includes(args.route)) {
      const list = engine.routes.map((id) => `\n  ${id}`).join('');
      throw new UsageError(`the bundle ${engine.bundle.name} has no route ${args.route}; it has:${list}`);
    }
    const outcomes: Outcome[] = [];
    let sent = 0;
    for (const { file, error } of photos) {
      if (error !== undefined) {
        outcomes.push({ file, error });
        continue;
      }
      progress(`photo ${sent + 1} of ${readable.length}`);
      const answer = await page.classify(`photos/${sent++}`, args.route);
      outcomes.push({ file, ...('error' in answer ? { error: answer.error } : { answer: answer.value }) });
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
    const { outcomes, engine } = await classifyAll(await Promise.all(args.photos.map(findPhoto)), args);
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
