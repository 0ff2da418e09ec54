/** `npx running-stitch <command>`: the tools as the package brings them. */
import { argv } from 'node:process';
import { calledAsPackage } from './lib/invocation';

calledAsPackage();
// Both programs read the arguments when they are loaded.
if (argv[2] === 'classify') {
  argv.splice(2, 1);
  await import('./classify');
} else {
  await import('./model');
}
