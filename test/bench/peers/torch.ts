/** PyTorch's logits, by the user's own Python. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ToolError } from '../../../src/tools/lib/browser';
import { HERE } from './install';

/** Version of PyTorch. Errors: ToolError, one sentence with the remedy. */
export function findTorch(python: string): string {
  const { status, stdout } = spawnSync(python, ['-c', 'import torch; print(torch.__version__)'], { encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new ToolError(
    `${python} has no PyTorch, whose logits every row is judged by: \`python3 -m venv .venv && .venv/bin/pip install torch\`, ` +
      'then run with `--python .venv/bin/python`.',
  );
}

/** Writes logits.bin into each folder. Errors: ToolError. */
export function runTorch(python: string, folders: readonly string[]): void {
  const { status, stderr } = spawnSync(python, [join(HERE, 'reference.py'), ...folders], { encoding: 'utf8' });
  if (status === 0) return;
  throw new ToolError(`reference.py failed: ${stderr.trim().split('\n').at(-1) ?? 'no reason given'}`);
}
