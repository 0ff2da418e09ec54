/** The command line of `npm run classify`. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { BackendChoice } from '../../index';
import { invocation, isPackaged } from './invocation';

/** The bundle that comes with the project, relative to its root. */
export const DEFAULT_BUNDLE = 'public/models/photos/manifest.json';
const BACKENDS = ['auto', 'webgpu', 'wasm', 'cpu'] as const satisfies readonly BackendChoice[];

export interface ClassifyArguments {
  readonly photos: readonly string[];
  readonly budget?: number;
  readonly route?: string;
  readonly backend: BackendChoice;
  /** Absent: the default bundle. */
  readonly bundle?: string;
  readonly json: boolean;
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be a number of milliseconds above 0, such as 20.');
  }
  return value;
}

const bundleWords = (): string =>
  isPackaged()
    ? 'path or URL of the bundle’s manifest.json'
    : `path or URL of another bundle’s manifest.json (default: ${DEFAULT_BUNDLE})`;

/** The parsed arguments, or the exit code where there is nothing to do: help was shown, or the usage was wrong. */
export function parseClassifyArguments(argv: readonly string[]): ClassifyArguments | number {
  const command = new Command(invocation('classify'))
    .description('Says what is in photos: the engine of the web page, run in a headless browser.')
    .argument('<photo...>', 'image files that a browser can decode (JPEG, PNG, WebP, GIF, AVIF, BMP)')
    .option('--budget <ms>', 'time that one photo may take, in milliseconds (default: 33)', milliseconds)
    .option('--route <id>', 'one fixed network of the bundle, instead of the best within the budget')
    .addOption(new Option('--backend <name>', 'what computes').choices(BACKENDS).default('auto'))
    .option('--bundle <manifest>', bundleWords())
    .option('--json', 'print one JSON document', false)
    .addHelpText(
      'after',
      `
Examples:
  ${invocation('classify')} photo.jpg
  ${invocation('classify')} --budget 20 holiday/*.jpg
  ${invocation('classify')} --route w128 --backend wasm photo.jpg
  ${invocation('classify').replace('npm run', 'npm run --silent')} --json photo.jpg

Exit code: 0 all photos classified; 1 some could not be, or the engine did not start; 2 wrong usage.`,
    )
    .exitOverride();
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
  return { photos: command.args, ...command.opts<Omit<ClassifyArguments, 'photos'>>() };
}
