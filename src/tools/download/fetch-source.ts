/** Weights from wherever they are named to a path that can be opened: local, Hugging Face, or an address. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StitchError } from '../../core/errors';
import { fileIn, isShardName } from '../import/source';
import { download, sha256Of, type DownloadOptions } from './download';
import { storageError } from './part';
import { MissingError } from './request';
import { checkUrl, parseSource } from './spec';

export interface FetchOptions extends DownloadOptions {
  /** Where Hugging Face is, for mirrors and tests. Default: https://huggingface.co */
  readonly hfBase?: string | undefined;
}

export interface FetchedSource {
  /** Of the checkpoint, or of the index of a sharded one. */
  readonly path: string;
  /** As the user named it; for a local file its name only, because it is published with the bundle. */
  readonly label: string;
}

const HF_BASE = 'https://huggingface.co';
/** What a model repository may hold, best first. An index lists further files. */
const HF_FILES = ['model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json'];
const INDEX = '.index.json';
const MAX_SHARDS = 1024;

/** Beside a model: heads, class names and preprocessing; useful, not needed. */
const HF_BESIDE = ['config.json', 'preprocessor_config.json'];

/**
 * The local path of a source; downloads go to `cacheDir` and are not repeated, even where a branch has moved on, unless with
 * `refresh`; `onCached` is told. `bytes` and `sha256` are those of the one file that is meant, and checked of a local one too.
 * Errors: argument-invalid, bundle-invalid (a bad index), network, bundle-integrity, storage, aborted.
 */
export async function fetchSource(text: string, cacheDir: string, options: FetchOptions = {}): Promise<FetchedSource> {
  const spec = parseSource(text);
  if (spec.kind === 'local') {
    const found = await stat(spec.path).catch(() => undefined);
    if (found === undefined)
      throw new StitchError('argument-invalid', `${spec.path}: there is no such file. Check the path.`, { path: spec.path });
    if (options.sha256 !== undefined) await checkLocal(spec.path, options.sha256, options.signal);
    return {
      path: spec.path,
      label:
        spec.path
          .split(/[/\\]/)
          .filter((part) => part !== '')
          .at(-1) ?? spec.path,
    };
  }
  if (spec.kind === 'url') {
    const name = safeName(spec.url.pathname.split('/').at(-1) ?? '');
    const key = createHash('sha256').update(spec.url.href).digest('hex').slice(0, 16);
    const path = join(cacheDir, 'url', key, name);
    await download(spec.url, path, options);
    return { path, label: `${spec.url.origin}${spec.url.pathname}` };
  }
  const { owner, name, revision } = spec;
  const base = `${(options.hfBase ?? HF_BASE).replace(/\/$/, '')}/${owner}/${name}/resolve/${encodeURIComponent(revision)}/`;
  const folder = join(cacheDir, 'hf', owner, name, safeName(revision));
  return { path: await fetchModel(checkUrl(base), folder, text, options), label: text };
}

/** A file name without folders and without what some system forbids. */
const safeName = (name: string): string => name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '') || 'checkpoint';

/** Errors: argument-invalid, bundle-integrity. */
async function checkLocal(path: string, sha256: string, signal: AbortSignal | undefined): Promise<void> {
  const file = fileIn(path);
  if (file.endsWith(INDEX)) refuseSharded(path);
  const found = await sha256Of(file, signal);
  if (found === sha256) return;
  const problem = `${file}: its SHA-256 is ${found}, expected ${sha256}`;
  throw new StitchError('bundle-integrity', `${problem}. Get the file again, or check the expected hash.`, { path: file });
}

function refuseSharded(label: string): never {
  const problem = `${label} is sharded, and one SHA-256 cannot vouch for several files`;
  throw new StitchError('argument-invalid', `${problem}. Leave the hash out, or give a checkpoint of one file.`, { label });
}

async function fetchModel(base: URL, folder: string, label: string, options: FetchOptions): Promise<string> {
  const { bytes: _bytes, sha256, onCached, ...others } = options;
  for (const name of HF_FILES) {
    const path = join(folder, name);
    const isIndex = name.endsWith(INDEX);
    if (!(await tryDownload(new URL(name, base), path, isIndex ? { ...others, onCached } : options))) continue;
    if (isIndex && sha256 !== undefined) refuseSharded(label);
    if (isIndex) for (const shard of await shardsOf(path)) await download(new URL(shard, base), join(folder, shard), others);
    for (const beside of HF_BESIDE) await fetchBeside(new URL(beside, base), join(folder, beside), others);
    return path;
  }
  const problem = `${label} has none of ${HF_FILES.join(', ')}`;
  throw new StitchError('network', `${problem}. Check name and revision, or give the address of the file.`, { label });
}

/** A file that need not be there. That it is not is remembered, so that a cached model needs no network. */
async function fetchBeside(url: URL, path: string, options: DownloadOptions): Promise<void> {
  const absent = `${path}.absent`;
  if (options.refresh !== true && existsSync(absent)) return;
  if (await tryDownload(url, path, { ...options, onProgress: undefined })) return rm(absent, { force: true });
  await rm(path, { force: true });
  await writeFile(absent, '').catch((error: unknown) => storageError(absent, error));
}

/** False where the server has no such file. */
async function tryDownload(url: URL, path: string, options: DownloadOptions): Promise<boolean> {
  try {
    await download(url, path, options);
    return true;
  } catch (error) {
    if (error instanceof MissingError) return false;
    throw error;
  }
}

async function shardsOf(index: string): Promise<readonly string[]> {
  const fail = (problem: string): never => {
    throw new StitchError('bundle-invalid', `${index}: ${problem}. Remove it and fetch it again.`, { file: index });
  };
  let map: unknown;
  try {
    map = (JSON.parse(await readFile(index, 'utf8')) as { weight_map?: unknown } | null)?.weight_map;
  } catch (error) {
    return fail(`it is not JSON (${String(error).slice(0, 80)})`);
  }
  const names = [...new Set(Object.values((map ?? {}) as object) as unknown[])];
  if (names.length === 0 || names.length > MAX_SHARDS) return fail(`its weight_map names ${names.length} files`);
  return names.map((name) => (isShardName(name) ? name : fail(`its weight_map names the file ${JSON.stringify(name)}`)));
}
