/** Mutated manifests, safetensors headers and shards: whatever arrives, the reader says what is wrong with it or reads it. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { readCheck, readLabels } from '../../src/bundle/contents';
import type { Manifest } from '../../src/bundle/manifest';
import { parseSafetensors } from '../../src/bundle/safetensors';
import { validateManifest } from '../../src/bundle/validate';
import { StitchError } from '../../src/core/errors';
import { firstShards, planTiers, tiersOf } from '../../src/engine/tiers';
import { unitsOf } from '../../src/model/units';
import { requiredTensors } from '../../src/model/stored';
import { pick, type Random, seeded, whole } from './random';

const FOLDER = fileURLToPath(new URL('../fixtures/tiny/', import.meta.url));

export interface FuzzReport {
  readonly done: number;
  /** Mutants that were read without complaint: the change did not matter. */
  readonly accepted: number;
  readonly byCode: Readonly<Record<string, number>>;
  /** What was thrown that is no StitchError, or took too long, with what it takes to see it again. */
  readonly failures: readonly string[];
}

/** A reader that took longer than this is stuck for a user's purposes. */
const SLOW_MS = 1000;
const MOST_FAILURES = 10;

/** Values that break assumptions: wrong kinds, ends of ranges, names of JavaScript's own. */
const ODD: readonly unknown[] = [null, true, 0, -1, 0.5, 1e308, -0, 2 ** 53, '', '__proto__', 'constructor', '../x', 'a'.repeat(5000), [], {}, [[]], 'NaN', 1e-320, '\u0000', '💥']; // prettier-ignore

type Json = Record<string, unknown> | unknown[];

/** Runs until `count` mutants or `until` (Date.now()). */
export function fuzz(count: number, seed: number, until: number = Infinity): FuzzReport {
  const random = seeded(seed);
  const text = readFileSync(`${FOLDER}manifest.json`, 'utf8');
  const manifest = validateManifest(JSON.parse(text), 'manifest.json');
  const files = [manifest.labels, ...manifest.shards, manifest.check].map(({ file }) => file);
  const contents = new Map(files.map((file) => [file, new Uint8Array(readFileSync(FOLDER + file))]));
  const kinds = [mutateValue, mutateText, mutateHeader, mutateBytes] as const;
  const byCode: Record<string, number> = {};
  const failures: string[] = [];
  let accepted = 0;
  let done = 0;
  for (; done < count && Date.now() < until && failures.length < MOST_FAILURES; done++) {
    const kind = pick(random, kinds);
    // The processor's time, because a busy machine may pause any process.
    const begun = process.cpuUsage().user;
    try {
      kind({ random, text, manifest, contents });
      accepted += 1;
    } catch (error) {
      if (error instanceof StitchError) byCode[error.code] = (byCode[error.code] ?? 0) + 1;
      else failures.push(`mutant ${done} of seed ${seed} (${kind.name}): ${String(error)}`);
    }
    const ms = (process.cpuUsage().user - begun) / 1000;
    if (ms > SLOW_MS) failures.push(`mutant ${done} of seed ${seed} (${kind.name}) took ${ms.toFixed(0)} ms`);
  }
  return { done, accepted, byCode, failures };
}

interface Subject {
  readonly random: Random;
  readonly text: string;
  readonly manifest: Manifest;
  readonly contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** A valid document with one to three values replaced, removed, repeated or swapped. */
function mutateValue({ random, text }: Subject): void {
  const json = JSON.parse(text) as Json;
  for (let i = whole(random, 3); i >= 0; i--) mutateJson(random, json);
  useManifest(json);
}

/** A text with a few characters changed, dropped or doubled; mostly no JSON at all. */
function mutateText({ random, text }: Subject): void {
  const at = whole(random, text.length);
  const length = whole(random, 20);
  const middle = pick(random, ['', '"', '{', '9', text.slice(at, at + length).repeat(2), String(pick(random, ODD))]);
  let json: unknown;
  try {
    json = JSON.parse(text.slice(0, at) + middle + text.slice(at + length));
  } catch {
    throw new StitchError('bundle-invalid', 'No JSON: fetchJson says so before anybody validates it.');
  }
  useManifest(json);
}

/** A shard whose header, still JSON, claims something else. */
function mutateHeader(subject: Subject): void {
  const { random, contents, manifest } = subject;
  const spec = pick(random, [...manifest.shards, manifest.check]);
  const bytes = contents.get(spec.file) ?? new Uint8Array();
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Json;
  mutateJson(random, header);
  const changed = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + changed.length + bytes.length - 8 - length);
  new DataView(out.buffer).setBigUint64(0, BigInt(changed.length), true);
  out.set(changed, 8);
  out.set(bytes.subarray(8 + length), 8 + changed.length);
  useFile(subject, spec.file, out);
}

/** Any file of the bundle with bytes flipped, cut off or added. */
function mutateBytes(subject: Subject): void {
  const { random, contents } = subject;
  const file = pick(random, [...contents.keys()]);
  const bytes = (contents.get(file) ?? new Uint8Array()).slice();
  const cut = whole(random, 4) === 0 ? whole(random, bytes.length) : bytes.length;
  // Most often near the front, where the header is.
  for (let i = whole(random, 8); i >= 0; i--)
    bytes[whole(random, Math.max(1, pick(random, [16, 400, bytes.length])))] = whole(random, 256);
  useFile(subject, file, bytes.slice(0, cut));
}

function mutateJson(random: Random, root: Json): void {
  const places: { parent: Record<string | number, unknown>; key: string | number }[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push({ parent: value as Record<string, unknown>, key });
      walk((value as Record<string, unknown>)[key]);
    }
  };
  walk(root);
  if (places.length === 0) return;
  const { parent, key } = pick(random, places);
  const other = pick(random, places);
  const value = parent[key];
  switch (whole(random, 6)) {
    case 0:
      delete parent[key];
      break;
    case 1:
      // A copy of another part of the document, so that kinds fit and contents do not.
      parent[key] = structuredClone(other.parent[other.key]);
      break;
    case 2:
      if (typeof value === 'number') parent[key] = value + pick(random, [1, -1, 0.5, value, -2 * value]);
      else parent[key] = pick(random, ODD);
      break;
    case 3:
      if (Array.isArray(value)) value.push(structuredClone(value[0]));
      else parent[key] = [value];
      break;
    case 4:
      Object.defineProperty(parent, String(pick(random, ODD)).slice(0, 40), { value: pick(random, ODD), enumerable: true, configurable: true, writable: true }); // prettier-ignore
      break;
    default:
      parent[key] = pick(random, ODD);
  }
}

/** What the engine does with a manifest before it loads a shard. */
function useManifest(json: unknown): void {
  const manifest = validateManifest(json, 'manifest.json');
  for (const route of manifest.routes) unitsOf(route);
  const tiers = tiersOf(manifest);
  planTiers(tiers, { memoryBytes: 2 ** 27 }, ({ bytes }) => 2 * bytes);
  firstShards(manifest, tiers, manifest.routes.at(-1)?.id);
}

/** What becomes of a file whose hash was right: its maker made it so. */
function useFile({ manifest }: Subject, file: string, bytes: Uint8Array<ArrayBuffer>): void {
  if (file === manifest.labels.file) return void readLabels(bytes, file, manifest.classes);
  if (file === manifest.check.file) return void readCheck(bytes, manifest);
  const tensors = parseSafetensors(bytes, file);
  for (const unit of manifest.shards.find((shard) => shard.file === file)?.units ?? []) {
    requiredTensors(manifest, unit, tensors);
  }
}
