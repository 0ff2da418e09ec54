/** `npm run build:kernels`: writes src/reference/simd/binaries.ts. A test says when that was forgotten. */
import { writeFileSync } from 'node:fs';
import { BINARIES, compileKernels } from './kernels.mjs';

writeFileSync(BINARIES, await compileKernels());
