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

const buildLimitMs = 600_000;

/** How long {@link goProgram} may take: give it to the hook or test that calls it. */
export const goProgramLimitMs = 2 * buildLimitMs;

const flags = ['-trimpath', '-mod=readonly', '-buildvcs=false', '-ldflags', '-s -w'];

/** What to build. */
export interface GoBuild {
  /** Of the program. */
  readonly name: string;
  /** The folder of the module. */
  readonly module: string;
  /** As `go build` takes it, in the module. */
  readonly package: string;
  /** Tags that leave out what is not needed. */
  readonly tags?: string;
}

/**
 * The program of folder `name` of the module in `test/go`, built with the machine's Go if it has
 * changed since it was last built. Returns the file to run. Builds of one machine happen one after
 * the other. Fails where there is no Go, or an old one, and after {@link goProgramLimitMs}.
 */
export function goProgram(name: string): Promise<string> {
  return goBuild({ name, module, package: `./${name}` });
}

/** A program of any module, as {@link goProgram}. */
export async function goBuild(program: GoBuild): Promise<string> {
  const { name } = program;
  const root = join(dirname(testbedPaths().cache), 'go-programs');
  const cache = new Cache(root, keptVersions);
  const { tags = '' } = program;
  const inputs = { ...(await filesBelow(program.module)), flags: flags.join(' '), tags, name };
  const key = hashInputs(inputs);
  if (!(await cache.has(name, key))) {
    requireGo(await goVersion());
    await mkdir(root, { recursive: true });
    await withFileLock(join(root, 'lock'), buildLimitMs, () =>
      cache.get(name, key, ({ folder, scratch }) => build(program, folder, scratch)),
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

async function build(program: GoBuild, folder: string, scratch: string): Promise<void> {
  const { name, module, tags = '' } = program;
  const args = [...flags, '-tags', tags, '-o', join(folder, name), program.package];
  await run('go', ['build', ...args], {
    cwd: module,
    env: { CGO_ENABLED: '0', GOFLAGS: '', GOTOOLCHAIN: 'local', GOTMPDIR: scratch },
    limitMs: buildLimitMs,
  });
}
