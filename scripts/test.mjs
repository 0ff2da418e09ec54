/**
 * `npm test`: finds or installs a browser, builds the demo and the package, runs every vitest project, and ends with one line of counts.
 * Arguments go on to vitest: `npm test -- --project unit layers`. TEST_TIMEOUT_MINUTES (default 17) bounds the whole run.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process, { argv, env, execPath, exit, getuid, kill, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { findChromium, missingChromium } from './chromium.mjs';
import { countTests } from './test-counts.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TIMED_OUT = 124;
const KILL_AFTER_MS = 5000;
const minutes = Number(env.TEST_TIMEOUT_MINUTES ?? 17);
const say = (text) => console.error(`test: ${text}`);

/** Projects named by `--project`; empty means all. */
function chosenProjects(args) {
  return args.flatMap((arg, i) => {
    if (arg.startsWith('--project=')) return [arg.slice('--project='.length)];
    return arg === '--project' && args[i + 1] ? [args[i + 1]] : [];
  });
}

function isDebian() {
  try {
    return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

/** Debian's chromium, where that needs no question asked. A CHROMIUM_PATH that is wrong is not ours to repair. */
function installChromium() {
  if (env.CHROMIUM_PATH || platform !== 'linux' || getuid?.() !== 0 || !isDebian()) return;
  say('no Chrome or Chromium here; installing the distribution’s chromium with apt-get (a minute or two)');
  const options = { stdio: ['ignore', 2, 2], env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
  spawnSync('apt-get', ['-q', 'update'], options);
  spawnSync('apt-get', ['-q', '-y', '--no-install-recommends', 'install', 'chromium'], options);
}

/** Runs one of our own Node programs in its own process group, so that the limit ends its browsers too. */
function run(program, args, deadline) {
  return new Promise((resolve) => {
    const grouped = platform !== 'win32';
    const child = spawn(execPath, [join(ROOT, 'node_modules', program), ...args], {
      cwd: ROOT,
      stdio: 'inherit',
      detached: grouped,
    });
    const stop = (signal) => {
      if (child.pid === undefined) return;
      try {
        kill(grouped ? -child.pid : child.pid, signal);
      } catch {
        // It has ended by itself.
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop(signal));
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        stop('SIGTERM');
        setTimeout(stop, KILL_AFTER_MS, 'SIGKILL').unref();
      },
      Math.max(0, deadline - Date.now()),
    );
    child.on('error', (error) => {
      clearTimeout(timer);
      say(String(error));
      resolve(1);
    });
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      stop('SIGKILL');
      resolve(late ? TIMED_OUT : (code ?? 128 + (constants.signals[signal] ?? 0)));
    });
  });
}

/** Exit code and counts; the counts line is printed by the caller, last. */
async function main() {
  if (!(minutes > 0)) throw new Error('TEST_TIMEOUT_MINUTES must be a number of minutes above 0');
  const deadline = Date.now() + minutes * 60_000;
  const args = argv.slice(2);
  const projects = chosenProjects(args);
  const wants = (name) => projects.length === 0 || projects.includes(name);

  if (wants('browser') || wants('e2e')) {
    if (!findChromium()) installChromium();
    if (!findChromium()) {
      console.error(missingChromium());
      exit(1);
    }
  }
  if (wants('e2e')) {
    say('building the demo, which the e2e tests open');
    const code = await run('vite/bin/vite.js', ['build', '--logLevel', 'warn'], deadline);
    if (code !== 0) return { code, passed: 0, failed: 1, skipped: 0 };
    say('building the package, which they install');
    const built = await run('../scripts/build-lib.mjs', [], deadline);
    if (built !== 0) return { code: built, passed: 0, failed: 1, skipped: 0 };
  }
  const folder = mkdtempSync(join(tmpdir(), 'running-stitch-test-'));
  const report = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await run('vitest/vitest.mjs', ['run', ...reporters, ...args], deadline);
  const counts = countTests(report);
  rmSync(folder, { recursive: true, force: true });
  if (code === TIMED_OUT) say(`the run was ended at its limit of ${minutes} minutes, so its tests could not be counted`);
  else if (code !== 0 && !(counts?.failed > 0)) say(`the runner ended with code ${code}; see its errors above`);
  // A run that ended without a report, or failed outside of any test, is itself one failure.
  const { passed, failed, skipped } = counts ?? { passed: 0, failed: 0, skipped: 0 };
  return { code, passed, failed: code !== 0 && failed === 0 ? 1 : failed, skipped };
}

const result = await main();
console.log(`${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`);
exit(result.code);
