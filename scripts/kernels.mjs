/** Compiles src/reference/simd/assembly with AssemblyScript, for plain and for relaxed SIMD. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const BINARIES = join(ROOT, 'src/reference/simd/binaries.ts');

const OPTIONS = ['-O3', '--runtime', 'stub', '--noAssert', '--importMemory', '--enable', 'simd'];

async function compile(options) {
  let binary;
  const said = [];
  const { error } = await main(
    ['index.ts', '--baseDir', join(ROOT, 'src/reference/simd/assembly'), '--outFile', 'kernels.wasm', ...OPTIONS, ...options],
    {
      stderr: { write: (text) => void said.push(text) },
      writeFile: (name, contents) => {
        if (name === 'kernels.wasm') binary = contents;
      },
    },
  );
  if (error !== null || binary === undefined) throw new Error(`the kernels could not be compiled\n${said.join('')}`);
  return Buffer.from(binary).toString('base64');
}

/** The text of src/reference/simd/binaries.ts. */
export async function compileKernels() {
  const simd = await compile([]);
  const relaxed = await compile(['--enable', 'relaxed-simd']);
  return `/** Compiled from ./assembly by \`npm run build:kernels\`; do not edit. Base64, because a page then needs no file more. */
export const SIMD =
  '${simd}';
export const RELAXED_SIMD =
  '${relaxed}';
`;
}
