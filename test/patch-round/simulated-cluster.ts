import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stoppable } from '../../src/base/scope.ts';
import { goBuild } from '../support/go-program.ts';
import { addresses } from '../testbed/addresses.ts';
import { Cache } from '../testbed/cache.ts';
import { controllersReady, startControlPlane } from '../testbed/control-plane.ts';
import { goBinaries } from '../testbed/go-binaries.ts';
import { stateLayout, testbedPaths } from '../testbed/paths.ts';
import { createPki, kubeconfigOf } from '../testbed/pki.ts';
import { Processes } from '../testbed/processes.ts';
import type { Progress } from '../testbed/progress.ts';
import { run } from '../testbed/run.ts';
import { startSimulatedKubelets } from './simulated-kubelet.ts';
import { stages, type StagesOptions } from './stages.ts';

/** A control plane without machines: nodes and pods are kwok's. Their logs end when it is stopped. */
export interface SimulatedCluster extends Stoppable {
  readonly kubeconfig: string;
  /** Of every process, and of those that are started with it. */
  readonly processes: Processes;
  /** Runs kubectl, and returns its standard output. */
  kubectl(args: readonly string[]): Promise<string>;
  /** Creates objects, or changes them, in their order. */
  apply(objects: readonly object[]): Promise<void>;
}

/** What a simulated cluster is made from. */
export interface SimulatedClusterOptions {
  /** Holds all that it keeps. */
  readonly folder: string;
  readonly progress: Progress;
  readonly stages: StagesOptions;
}

/** Addresses of pods, all of which lead to this machine. */
const pods = '198.18.128.0/17';

/** Builds what is not built yet: minutes the first time. Needs no network namespace. */
export async function buildPrograms(progress: Progress) {
  const paths = testbedPaths();
  await mkdir(paths.cache, { recursive: true });
  const binaries = await goBinaries(paths, new Cache(paths.cache), progress);
  const kwok = await progress.during('kwok', () =>
    goBuild({
      name: 'kwok',
      module: fileURLToPath(new URL('kwok', import.meta.url)),
      package: 'sigs.k8s.io/kwok/cmd/kwok',
    }),
  );
  return { binaries, kwok };
}

/**
 * Starts etcd, the API server, the controllers, the scheduler and kwok in this process's own network namespace, which
 * must be new. They end with the process namespace that they are in: see `sealed.ts`.
 */
export async function startSimulatedCluster({
  folder,
  progress,
  stages: stagesOptions,
}: SimulatedClusterOptions): Promise<SimulatedCluster> {
  const { binaries, kwok } = await buildPrograms(progress);
  const layout = stateLayout(folder);
  const processes = new Processes(layout.processes, layout.logs);
  await mkdir(layout.config, { recursive: true });
  await createPki(layout.pki, []);
  await takeAddresses();
  const paths = { ...testbedPaths(), state: folder };
  const context = { paths, binaries, namespace: undefined, processes, progress };
  await startControlPlane(context);
  await controllersReady(context);

  const kubeconfig = kubeconfigOf(layout.pki, 'admin');
  const config = join(layout.config, 'kwok.yaml');
  const documents = stages(stagesOptions).map((stage) => JSON.stringify(stage));
  await writeFile(config, documents.join('\n---\n'));
  await processes.start({
    name: 'kwok',
    command: kwok,
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--config=${config}`,
      '--manage-all-nodes',
      `--node-ip=${addresses.controlPlane}`,
      `--cidr=${pods}`,
      // The controllers of the testbed take a node for lost that is silent for 16 s.
      '--node-lease-duration-seconds=12',
    ],
  });
  const kubectl = (args: readonly string[], input = '') =>
    run(join(binaries, 'kubectl'), args, {
      env: { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(layout.scratch, 'kubectl') },
      input,
    });
  const kubelets = await startSimulatedKubelets(addresses.controlPlane, {
    key: await readFile(join(layout.pki, 'apiserver.key')),
    cert: await readFile(join(layout.pki, 'apiserver.crt')),
  });
  return {
    kubeconfig,
    processes,
    kubectl: (args) => kubectl(args),
    async apply(objects) {
      const documents = objects.map((one) => JSON.stringify(one)).join('\n---\n');
      await kubectl(['apply', '--server-side', '-f', '-'], documents);
    },
    stop: () => kubelets.stop(),
  };
}

/** Every address of the testbed's plan is this machine's own in a new network namespace. */
async function takeAddresses(): Promise<void> {
  await run('ip', ['link', 'set', 'lo', 'up']);
  await run('ip', ['route', 'add', 'local', addresses.all, 'dev', 'lo']);
}
