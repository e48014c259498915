import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cache, filesBelow, hashInputs } from '../testbed/cache.ts';
import { testbedPaths } from '../testbed/paths.ts';
import { goVersion, isGoRecent } from '../testbed/requirements.ts';
import { run } from '../testbed/run.ts';
import { withFileLock } from './file-lock.ts';

/** The module with the programs: one folder each. */
const module = fileURLToPath(new URL('../go', import.meta.url));

/** go.mod asks for it. */
const leastGo = [1, 25] as const;

/** Several checkouts of the project may share the cache. */
const keptVersions = 8;

const buildLimitMs = 300_000;

/** How long {@link goProgram} may take: give it to the hook or test that calls it. */
export const goProgramLimitMs = 2 * buildLimitMs;

const flags = ['-trimpath', '-mod=readonly', '-buildvcs=false', '-ldflags', '-s -w'];

/**
 * The program of folder `name` of the module in `test/go`, built with the machine's Go if it has
 * changed since it was last built. Returns the file to run. Builds of one machine happen one after
 * the other. Fails where there is no Go, or an old one, and after {@link goProgramLimitMs}.
 */
export async function goProgram(name: string): Promise<string> {
  const root = join(dirname(testbedPaths().cache), 'go-programs');
  const cache = new Cache(root, keptVersions);
  const key = hashInputs({ ...(await filesBelow(module)), flags: flags.join(' '), name });
  if (!(await cache.has(name, key))) {
    requireGo(await goVersion());
    await mkdir(root, { recursive: true });
    await withFileLock(join(root, 'lock'), buildLimitMs, () =>
      cache.get(name, key, ({ folder, scratch }) => build(name, folder, scratch)),
    );
  }
  return join(cache.path(name, key), name);
}

/** Throws if that is not a Go that can build the programs. */
export function requireGo(version: string | undefined): void {
  if (isGoRecent(version, leastGo)) return;
  const found = version === undefined ? 'there is none in PATH' : `this is ${version}`;
  throw new Error(`the programs in test/go need Go ${leastGo.join('.')} or newer, and ${found}`);
}

async function build(name: string, folder: string, scratch: string): Promise<void> {
  await run('go', ['build', ...flags, '-o', join(folder, name), `./${name}`], {
    cwd: module,
    env: { CGO_ENABLED: '0', GOFLAGS: '', GOTOOLCHAIN: 'local', GOTMPDIR: scratch },
    limitMs: buildLimitMs,
  });
}
