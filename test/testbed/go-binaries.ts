import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildFolders, type Cache, filesBelow, hashInputs } from './cache.ts';
import type { Paths } from './paths.ts';
import type { Progress } from './progress.ts';
import { runSealed } from './run.ts';

/** What the components call themselves; go.mod decides what they are. */
const kubernetesVersion = 'v1.36.3';

/** The names under which the one Kubernetes binary is started. */
const components = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const;

/** Each builds by itself: two of the modules differ in the case of one path. */
const programs = [
  { name: 'cluster', package: './cluster' },
  { name: 'coredns', package: './coredns' },
  { name: 'local-path-provisioner', package: 'github.com/rancher/local-path-provisioner' },
] as const;

const buildLimitMs = 45 * 60_000;

/** The folder with the binaries of Kubernetes and its add-ons, built with the machine's Go. */
export async function goBinaries(paths: Paths, cache: Cache, progress: Progress): Promise<string> {
  return cache.get('binaries', await binariesKey(paths), async (folders) => {
    progress.say('Kubernetes is built from source: 5 to 12 minutes on two cores, once');
    for (const program of programs) await build(paths, program, folders, progress);
    for (const component of components) await symlink('cluster', join(folders.folder, component));
  });
}

/** Whether {@link goBinaries} has nothing to build. */
export async function hasGoBinaries(paths: Paths, cache: Cache): Promise<boolean> {
  return cache.has('binaries', await binariesKey(paths));
}

/** The machine's Go is no input: which one built it changes nothing that a test sees. */
async function binariesKey(paths: Paths): Promise<string> {
  const sources = await filesBelow(join(paths.source, 'go'));
  return hashInputs({ ...sources, flags: buildFlags().join(' '), arch: process.arch });
}

async function build(
  paths: Paths,
  program: (typeof programs)[number],
  { folder, scratch }: BuildFolders,
  progress: Progress,
): Promise<void> {
  let compiled = 0;
  let last = '';
  const onErrorLine = (line: string) => {
    compiled += 1;
    last = line;
  };
  const out = join(folder, program.name);
  const args = ['build', '-v', ...buildFlags(), '-o', out, program.package];
  await progress.during(
    `go build ${program.name}`,
    () =>
      runSealed('go', args, {
        cwd: join(paths.source, 'go'),
        env: { CGO_ENABLED: '0', GOFLAGS: '', GOTMPDIR: scratch },
        limitMs: buildLimitMs,
        onErrorLine,
      }),
    () =>
      compiled === 0
        ? 'fetching modules, or linking what was compiled before'
        : `${compiled} packages compiled, the last is ${last}`,
  );
}

/** Kubernetes takes its version from the linker; without it, it calls itself v0.0.0-master. */
function buildFlags(): readonly string[] {
  const [, minor] = kubernetesVersion.split('.');
  const variables = {
    gitVersion: kubernetesVersion,
    gitMajor: '1',
    gitMinor: minor,
    gitTreeState: 'clean',
    gitCommit: 'unknown',
    buildDate: '1970-01-01T00:00:00Z',
  };
  const stamps = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
    Object.entries(variables).map(([name, value]) => `-X ${path}.${name}=${value}`),
  );
  return ['-trimpath', '-mod=readonly', '-buildvcs=false', '-ldflags', `-s -w ${stamps.join(' ')}`];
}
