import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the testbed keeps things. Nothing outside these folders is written. */
export interface Paths {
  /** The repository. */
  readonly repository: string;
  /** Where `npm run build` puts its bundles. */
  readonly dist: string;
  /** This folder. */
  readonly source: string;
  /** What is kept between runs: binaries, root file system, image archives. */
  readonly cache: string;
  /** What belongs to one running cluster; `down` removes it. */
  readonly state: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The folders that an environment asks for: the cache is `gitaly-operator/testbed` under
 * XDG_CACHE_HOME or `~/.cache`, and the state lies beside it unless TESTBED_STATE names a folder.
 * TESTBED_DIST names another folder of bundles than `dist`.
 */
export function testbedPaths(environment: Environment = process.env): Paths {
  const source = fileURLToPath(new URL('.', import.meta.url)).replace(/\/$/, '');
  const userCache = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const root = join(userCache, 'gitaly-operator', 'testbed');
  const repository = join(source, '..', '..');
  return {
    repository,
    dist: environment['TESTBED_DIST'] || join(repository, 'dist'),
    source,
    cache: join(root, 'cache'),
    state: environment['TESTBED_STATE'] || join(root, 'state'),
  };
}

/** The parts of the state folder. */
export function stateLayout(state: string) {
  return {
    /** Written last: a cluster without it was never finished. */
    fingerprint: join(state, 'fingerprint'),
    images: join(state, 'images.json'),
    pki: join(state, 'pki'),
    processes: join(state, 'processes'),
    logs: join(state, 'logs'),
    etcd: join(state, 'etcd'),
    config: join(state, 'config'),
    scratch: join(state, 'scratch'),
    node: (name: string) => join(state, 'nodes', name),
  } as const;
}
