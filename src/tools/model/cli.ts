/** The command line of `npm run model`. */
import { Command, CommanderError, Option } from 'commander';
import { StitchError } from '../../core/errors';
import { ToolError } from '../lib/browser';
import { invocation, isPackaged } from '../lib/invocation';
import { evaluate, inspect, plot, stitch, verify } from './commands';
import type { EvaluateArguments, Io, PlotArguments, StitchArguments } from './commands';
import type { ImportArguments } from './import-command';
import { pack, type PackArguments } from './pack-command';
import { profile, type ProfileArguments } from './profile-command';
import { count, counts, positive, ridge, seed, sha256, triple, words } from './options';

const EXIT_CODES = 'Exit code: 0 done; 1 failed; 2 wrong usage; 130 stopped by Ctrl-C (nothing half-written stays).';

/** Exit code of a stopped run, as shells give it for SIGINT. */
export const INTERRUPTED = 130;

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${invocation('model')} ${line}`).join('\n')}\n\n${EXIT_CODES}`;
}

const jsonOption = () => new Option('--json', 'print one JSON document').default(false);
const forceOption = () => new Option('--force', 'replace a bundle that stands there').default(false);

/** Builds the program; `done` takes the exit code of the command that ran. */
function createProgram(io: Io, done: (code: number) => void): Command {
  const program = new Command(invocation('model'))
    .description('From pretrained networks to a served stitchable bundle.')
    .configureOutput({ writeOut: (text) => io.out(text.trimEnd()), writeErr: (text) => io.err(text.trimEnd()) })
    .exitOverride()
    .addHelpText('after', `\nEvery command has --help with examples.\n${EXIT_CODES}`);
  const command = (name: string, text: string) => program.command(name).description(text).exitOverride();
  // Here for the help only: the package's command runs it as a program of its own.
  if (isPackaged()) command('classify', 'says what is in photos, with the engine of the web page in a headless browser');

  addImport(command('import', 'makes a bundle of pretrained networks, or of an SN-Net checkpoint with its routes'), io, done);

  command('stitch', 'adds stitches between the anchors of a bundle, fitted by least squares on images')
    .argument('<bundle>', 'folder of a bundle; its own stitches, if any, are replaced')
    .requiredOption('--images <path>', 'calibration images: a folder of JPEG files, or a .jpk file; no labels are used')
    .requiredOption('--out <folder>', 'folder of the new bundle')
    .option('--kernel <blocks>', 'blocks a stitching window spans', count, 2)
    .option('--stride <blocks>', 'blocks from one window to the next', count, 1)
    .option('--count <images>', 'images to fit on, drawn at random', count, 100)
    .option('--seed <number>', 'seed of the draw', seed, 0)
    .option('--batch <images>', 'images a pass of the network', count, 2)
    .option('--ridge <share>', 'ridge on the weights, relative to the mean square of the activations', ridge, 0)
    .addOption(
      new Option('--init <way>', 'random is for comparison').choices(['least-squares', 'random']).default('least-squares'),
    )
    .option('--no-final-norm', 'stitched routes skip the final norm, as in the official DeiT checkpoint')
    .option('--name <name>', 'name of the new bundle (default: that of the old one)')
    .option('--group <blocks>', 'blocks a shard (default: as in the old bundle)', count)
    .addOption(forceOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'stitch anchors --images calibration/ --out family',
        'stitch anchors --images train-0.jpk --count 400 --kernel 3 --out family',
      ),
    )
    .action(async (bundle: string, options: StitchArguments) => done(await stitch(bundle, options, io)));

  command('evaluate', 'measures every route on labelled images and writes the accuracies into the manifest')
    .argument('<bundle>', 'folder of a bundle')
    .requiredOption('--images <path>', 'labelled images: a folder per class (named by label or class number), or a .jpk file')
    .option('--count <images>', 'only so many, drawn evenly by chance', count)
    .option('--routes <ids>', 'only these, with commas; the others keep what is known of them', words)
    .option('--batch <images>', 'images a pass of the network', count, 8)
    .option('--chunk <images>', 'images after which progress is kept', count, 32)
    .option('--plot <file>', 'SVG of accuracy against multiply-accumulates')
    .option('--side-file <file>', 'where progress is kept until the end (default: <bundle>.evaluation.jsonl)')
    .option('--restart', 'throw kept progress away', false)
    .addOption(new Option('--backend <name>', 'what computes (default: wasm where it starts)').choices(['wasm', 'cpu']))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('evaluate family --images val.jpk --plot accuracy.svg', 'evaluate family --images val/ --count 1000 --json'),
    )
    .action(async (bundle: string, options: EvaluateArguments) => done(await evaluate(bundle, options, io)));

  command(
    'profile',
    'measures the routes of the Pareto front in a headless browser, and shows how well their times are predicted',
  )
    .argument('<bundle>', 'folder of a bundle; the times go into its manifest as priors')
    .addOption(
      new Option('--backend <name>', 'what computes (default: a GPU where there is one, else WASM)')
        .choices(['auto', 'webgpu', 'wasm', 'cpu'])
        .default('auto', 'auto'),
    )
    .option('--routes <ids>', 'routes with commas, or all, instead of the Pareto front', words)
    .option('--fit <count>', 'stitched routes, beside the anchors, that the predictor is fitted on', count, 4)
    .option('--predict-only', 'measure only those and five to test the prediction; the others are predicted', false)
    .option('--rounds <count>', 'visits to every route', count, 7)
    .option('--frames <count>', 'frames a visit, after one that does not count', count, 3)
    .option('--no-write', 'leave the manifest as it is')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'profile family',
        'profile family --backend wasm --routes all --no-write',
        'profile family --predict-only --rounds 3 --json',
      ),
    )
    .action(async (bundle: string, options: ProfileArguments) => done(await profile(bundle, options, io)));

  command('pack', 'writes a bundle anew: other shard sizes, name or version, or weights rounded to int8')
    .argument('<bundle>', 'folder of a bundle')
    .requiredOption('--out <folder>', 'folder of the new bundle')
    .option('--group <blocks>', 'blocks a shard', count, 3)
    .option('--name <name>', 'name of the new bundle')
    .option('--bundle-version <version>', 'version of the new bundle')
    .addOption(new Option('--weights <form>', 'how matrices are held (default: as they are)').choices(['int8', 'f16']))
    .option('--images <path>', 'labelled images to measure what rounding costs, as for evaluate')
    .option('--count <images>', 'only so many, drawn evenly by chance', count)
    .option('--routes <ids>', 'routes to measure, with commas, or all (default: the anchors)', words)
    .option('--batch <images>', 'images a pass of the network', count, 1)
    .option('--restart', 'throw kept progress of the measurement away', false)
    .addOption(forceOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'pack family --group 2 --out family-fine',
        'pack family --weights int8 --images val.jpk --out family-int8',
        'pack family --weights int8 --images val/ --count 1000 --routes all --out family-int8',
      ),
    )
    .action(async (bundle: string, options: PackArguments) => done(await pack(bundle, options, io)));

  command('plot', 'draws accuracy against multiply-accumulates: anchors, stitched routes and the Pareto front')
    .argument('<bundle>', 'folder of a bundle whose routes were evaluated')
    .requiredOption('--out <file>', 'SVG to write; it follows a light or dark colour scheme')
    .option('--title <text>', 'heading (default: name of the bundle)')
    .addOption(jsonOption())
    .addHelpText('after', examples('plot family --out accuracy.svg', 'plot family --title "Our family" --out accuracy.svg'))
    .action(async (bundle: string, options: PlotArguments) => done(await plot(bundle, options, io)));

  command('inspect', 'shows a picture of the family and a table of its routes')
    .argument('<bundle>', 'folder of a bundle')
    .addOption(jsonOption())
    .addHelpText('after', examples('inspect public/models/photos'))
    .action(async (bundle: string, options: { readonly json: boolean }) => done(await inspect(bundle, options, io)));

  command('verify', 'checks every file’s hash and runs the check vectors on the reference executor')
    .argument('<bundle>', 'folder of a bundle')
    .addOption(jsonOption())
    .addHelpText('after', examples('verify public/models/photos'))
    .action(async (bundle: string, options: { readonly json: boolean }) => done(await verify(bundle, options, io)));
  return program;
}

function addImport(command: Command, io: Io, done: (code: number) => void): void {
  command
    .argument('<checkpoint...>', 'smallest first: safetensors or PyTorch files, hf:owner/name[@revision], or https addresses')
    .requiredOption('--out <folder>', 'folder of the new bundle')
    .requiredOption('--name <name>', 'name of the bundle')
    .option('--bundle-version <version>', 'version of the bundle', '1.0.0')
    .option('--license <text>', 'terms of the weights, shown to users')
    .option('--id <ids>', 'ids of the anchors, such as ti,s,b', words)
    .option('--heads <counts>', 'attention heads of the anchors, such as 3,6,12, where the width does not tell', counts)
    .option('--eps <number>', 'epsilon of every LayerNorm (default: 1e-6)', positive)
    .option('--labels <file>', 'JSON list of class names (default: those beside the checkpoint, else numbers)')
    .option('--crop <share>', 'central share of the shorter side (default: what the checkpoint says, else 0.875)', positive)
    .addOption(new Option('--filter <name>', 'how images are resized').choices(['bilinear', 'bicubic']))
    .option('--mean <r,g,b>', 'of the normalisation (default: ImageNet’s)', triple)
    .option('--std <r,g,b>', 'of the normalisation (default: ImageNet’s)', triple)
    .option('--kernel <blocks>', 'stitching window of an SN-Net checkpoint', count, 2)
    .option('--stride <blocks>', 'stride of its windows', count, 1)
    .option('--final-norm', 'stitched routes apply the final norm (default: as published)')
    .option('--no-final-norm', 'stitched routes skip it')
    .option('--entry <key>', 'entry of a PyTorch file that holds the tensors')
    .option('--sha256 <hash>', 'that the checkpoint must have, where it is one file', sha256)
    .option('--cache <folder>', 'where downloads are kept')
    .option('--refresh', 'fetch again what the cache holds', false)
    .option('--group <blocks>', 'blocks a shard', count, 3)
    .addOption(forceOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples(
        'import hf:timm/deit_tiny_patch16_224.fb_in1k hf:timm/deit_small_patch16_224.fb_in1k --name deit --out anchors',
        'import snnet_deit.pth --name sn-net-deit --id ti,s,b --out sn-net-deit',
      ),
    )
    .action(async (checkpoints: string[], options: ImportArguments) => {
      const { importCommand } = await import('./import-command');
      done(await importCommand(checkpoints, options, io));
    });
}

/** Runs one command line and returns the exit code; errors are told through `io`. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  let code = 0;
  const program = createProgram(io, (result) => (code = result));
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    io.progress.end();
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof StitchError || error instanceof ToolError)) throw error;
    io.err(`model: ${error.message}`);
    return 'code' in error && error.code === 'aborted' ? INTERRUPTED : 1;
  }
}
