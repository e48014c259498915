import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage } from '../src/base/errors.ts';
import { Cache, hashInputs } from '../test/testbed/cache.ts';
import { installCommand, isOnMachine } from '../test/testbed/debian-tools.ts';
import { run, tryRun } from '../test/testbed/run.ts';
import type { Check } from './checks.ts';
import { parsePanReport, parseStory, type PanReport } from './pan-report.ts';

const modelFile = fileURLToPath(new URL('write-protocol.pml', import.meta.url));

/** A check may use this much memory. */
const memoryLimitMb = 3000;
const depthLimit = 1_000_000;
/** On two slow cores each takes less than a minute. */
const checkLimitMs = 1_200_000;
const downloadLimitMs = 180_000;

/**
 * The path of Spin: the one in PATH, else the one of Debian's package, which is downloaded once and
 * unpacked into the user's cache folder. Nothing is installed.
 *
 * @throws Error that names the package if it cannot be had
 */
export async function findSpin(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string> {
  if (!(await isOnMachine('gcc'))) throw missing('gcc libc6-dev', 'there is no gcc');
  if (await isOnMachine('spin')) return 'spin';
  const userCache = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const cache = new Cache(join(userCache, 'gitaly-operator', 'model'));
  try {
    const folder = await cache.get('spin', hashInputs({ package: 'spin' }), async (folders) => {
      const cwd = folders.scratch;
      await downloadSpin(cwd);
      const archive = (await readdir(cwd)).find((name) => name.endsWith('.deb'));
      if (archive === undefined) throw new Error('apt-get has downloaded nothing');
      await run('dpkg', ['-x', archive, folders.folder], { cwd });
    });
    return join(folder, 'usr', 'bin', 'spin');
  } catch (error) {
    throw missing('spin', errorMessage(error));
  }
}

/** A machine without lists of packages gets them first; that takes root. */
async function downloadSpin(cwd: string): Promise<void> {
  const download = () =>
    run('apt-get', ['download', '-q', 'spin'], { cwd, limitMs: downloadLimitMs });
  try {
    await download();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await run('apt-get', ['update', '-q'], { limitMs: downloadLimitMs });
    await download();
  }
}

function missing(packages: string, reason: string): Error {
  const command = installCommand(packages.split(' '));
  return new Error(`the model checker needs Debian's ${packages}: ${reason}\nRun: ${command}`);
}

/** What a check has shown. */
export interface SpinResult extends PanReport {
  /** How it came to a violation, step by step; empty if there is none. */
  readonly story: readonly string[];
}

export interface SpinOptions {
  readonly spin: string;
  /** Looks for the shortest story. Takes longer, and more memory. Default false. */
  readonly wantsShortest?: boolean;
}

/**
 * Makes a checker of the model and runs it.
 *
 * @throws CommandError if Spin, gcc or the checker fail, or take too long
 */
export async function runCheck(
  { settings, expected }: Check,
  { spin, wantsShortest = false }: SpinOptions,
): Promise<SpinResult> {
  const cwd = await mkdtemp(join(tmpdir(), 'write-protocol-'));
  const macros = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  try {
    await cp(modelFile, join(cwd, 'model.pml'));
    await run(spin, ['-a', ...macros, 'model.pml'], { cwd });
    const search = wantsShortest ? ['-DBFS'] : [];
    // A violation is found within seconds; a whole search is worth the compiler's time.
    const level = expected === 'holds' || wantsShortest ? '-O2' : '-O1';
    const limits = ['-DSAFETY', '-DNOFAIR', `-DMEMLIM=${memoryLimitMb}`];
    await run('gcc', [level, '-w', ...limits, ...search, '-o', 'pan', 'pan.c'], {
      cwd,
      limitMs: checkLimitMs,
    });
    const pan = await tryRun(join(cwd, 'pan'), ['-n', '-E', `-m${depthLimit}`], {
      cwd,
      limitMs: checkLimitMs,
    });
    const report = parsePanReport(pan.stdout);
    if (report.result !== 'violated') return { ...report, story: [] };
    const replay = ['-t', '-T', ...macros, '-k', 'model.pml.trail', 'model.pml'];
    return { ...report, story: parseStory((await tryRun(spin, replay, { cwd })).stdout) };
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
