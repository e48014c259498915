import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { Scope } from '../../src/base/scope.ts';
import { grpcPort } from '../../src/api/names.ts';
import type { RolloutStorage } from '../../src/reconcilers/rollout/rollout-storage.ts';
import { storagesOf } from '../benchmark/plan/layouts.ts';
import { type Progress, waitFor } from '../testbed/progress.ts';
import { gitalyCluster, groundwork, maintenanceOfAll, type RoundCluster } from './manifests.ts';
import { startNodePatcher } from './node-patcher.ts';
import { startOperator, type OperatorProcess } from './operator-process.ts';
import type { Pace } from './pace.ts';
import { watchPods, type PodWatch } from './pod-watch.ts';
import { drawSets } from './replica-sets.ts';
import { startSimulatedCluster, type SimulatedCluster } from './simulated-cluster.ts';
import { startSimulatedProxies, type SimulatedProxies } from './simulated-proxies.ts';
import { SimulatedStorages, type StorageTimes } from './simulated-storages.ts';
import type { PhaseBar } from './storage-phases.ts';

/** What is played. */
export interface RoundOptions {
  /** `image`: the storages get a new image, and each boots its node. `nodes`: a GitalyMaintenance of all nodes. */
  readonly work: 'image' | 'nodes';
  readonly storages: number;
  readonly repositories: number;
  readonly groupSize: number;
  readonly pace: Pace;
  readonly progress: Progress;
  /** For all that is kept. */
  readonly folder: string;
}

/** What came of it. */
export interface RoundOutcome {
  readonly storages: readonly RolloutStorage[];
  readonly bars: readonly PhaseBar[];
  /** From the change of the spec until every storage served again. */
  readonly roundMs: number;
  readonly minInSyncReplicas: number;
  /** The longest: see `PlanTimes`. */
  readonly planMs: number;
  readonly lists: number;
  readonly operatorPeakBytes: number;
  /** How many cores the operator had in use, on average. */
  readonly operatorCores: number;
}

/** How long things take, in seconds of the round. */
export const roundTimes = {
  notice: 1,
  longestCall: 60,
  reboot: 120,
  catchUp: 20,
  /** As long as a proxy's database takes for 1,000,000 repositories. */
  list: 4,
} as const satisfies StorageTimes & Readonly<Record<string, number>>;

const images = { before: 'gitaly:1', after: 'gitaly:2' } as const;
const zones = ['a', 'b', 'c'] as const;
const startLimitMs = 300_000;
/** A round that takes longer than one storage at a time would has failed. */
const limitSecondsOfStorage = 300;

/** The parts of a round that runs. */
interface Stage {
  readonly storages: readonly RolloutStorage[];
  readonly world: SimulatedStorages;
  readonly proxies: SimulatedProxies;
  readonly cluster: SimulatedCluster;
  readonly operator: OperatorProcess;
  /** Makes the cluster. */
  create(): Promise<void>;
  /** Whether it is there, and all storages serve. */
  isReady(): boolean;
  /** Asks for the work. */
  begin(): Promise<void>;
  /** Whether the work is done, and all storages serve. */
  isDone(): boolean;
}

/** Plays a patch round: the node of each storage boots anew. */
export async function playRound(options: RoundOptions): Promise<RoundOutcome> {
  const scope = new Scope();
  try {
    const stage = await setStage(options, scope);
    return await play(options, stage);
  } finally {
    await scope.stop();
  }
}

async function setStage(options: RoundOptions, scope: Scope): Promise<Stage> {
  const { pace, progress, folder, groupSize } = options;
  const layout = {
    name: 'one replica in each zone',
    minAvailableReplicas: 2,
    storages: options.storages,
    zones,
    onePerZone: true,
  };
  const storages = storagesOf(layout);
  const storageNames = storages.map(({ name }) => name);
  const virtualStorage = storages[0]?.virtualStorage ?? '';
  const sets = drawSets(layout, options.repositories);
  const clock = systemClock;
  const world = new SimulatedStorages({
    storages: storages.length,
    sets,
    times: roundTimes,
    pace,
    clock,
    random: seededRandom(1),
  });
  const proxies = scope.own(
    await startSimulatedProxies({
      virtualStorage: { name: virtualStorage, storageNames, sets, world },
      listen: { host: '0.0.0.0', port: grpcPort },
      clock,
      listMs: pace.realMs(roundTimes.list),
    }),
  );
  const cluster = scope.own(
    await startSimulatedCluster({
      folder,
      progress,
      stages: {
        firstImage: images.before,
        component: 'storage',
        rebootMs: pace.realMs(roundTimes.reboot),
      },
    }),
  );
  const wanted = (image: string): RoundCluster => {
    return { namespace: 'gitaly', name: 'gitaly', virtualStorage, storages, image, groupSize };
  };
  await cluster.apply([...(await definitions()), ...groundwork(wanted(images.before))]);
  const indexes = new Map(storageNames.map((name, index) => [name, index]));
  const pods: PodWatch = scope.own(
    await watchPods(cluster.kubeconfig, (storage, isReady) => {
      const index = indexes.get(storage);
      if (index !== undefined) world.setReady(index, isReady);
    }),
  );
  const operator = await startOperator(cluster.processes, {
    folder,
    kubeconfig: cluster.kubeconfig,
  });
  const patcher = scope.own(await startNodePatcher(cluster.kubeconfig));
  const ask = (image: string) => cluster.apply([gitalyCluster(wanted(image))]);
  const hasSettled = (image: string) =>
    pods.readyWith(image) === storages.length && world.areAllServing;
  return {
    storages,
    world,
    proxies,
    cluster,
    operator,
    create: () => ask(images.before),
    isReady: () => hasSettled(images.before),
    ...(options.work === 'image'
      ? { begin: () => ask(images.after), isDone: () => hasSettled(images.after) }
      : {
          begin: () => cluster.apply([maintenanceOfAll(wanted(images.before))]),
          isDone: () => patcher.isDone && hasSettled(images.before),
        }),
  };
}

async function play(
  { storages: count, pace, progress }: RoundOptions,
  { storages, world, proxies, cluster, operator, ...stage }: Stage,
): Promise<RoundOutcome> {
  await stage.create();
  await progress.during('all storages', () =>
    waitFor('the cluster to be ready', { limitMs: startLimitMs, everyMs: 1_000 }, async () => {
      const phase = await cluster.kubectl([
        '-n',
        'gitaly',
        'get',
        'glc',
        'gitaly',
        '-o',
        phasePath,
      ]);
      const knowsZones = storages.every(({ zone }, index) => world.storage(index).zone === zone);
      if (phase === 'Ready' && knowsZones && stage.isReady()) {
        return { kind: 'done', value: undefined };
      }
      return { kind: 'waiting', for: `it is ${phase}` };
    }),
  );

  world.beginRound();
  const before = await operator.usage();
  const begunMs = systemClock.monotonicMs();
  await stage.begin();
  const limitMs = pace.realMs(limitSecondsOfStorage * count);
  await progress.during('the round', () =>
    waitFor('the end of the round', { limitMs, everyMs: 200 }, async () => {
      await operator.usage();
      if (stage.isDone()) return { kind: 'done', value: undefined };
      return { kind: 'waiting', for: JSON.stringify(world.bars().at(-1)) };
    }),
  );
  const after = await operator.usage();
  const bars = world.bars();
  return {
    storages,
    bars,
    roundMs: Math.max(...bars.map(({ toMs }) => toMs)),
    minInSyncReplicas: world.fewestUsable,
    planMs: proxies.planTimes.longestMs,
    lists: proxies.planTimes.lists,
    operatorPeakBytes: after.peakBytes,
    operatorCores: (after.cpuMs - before.cpuMs) / (systemClock.monotonicMs() - begunMs),
  };
}

const phasePath = 'jsonpath={.status.phase}';

async function definitions(): Promise<readonly object[]> {
  const folder = fileURLToPath(new URL('../../crds', import.meta.url));
  const files = await readdir(folder);
  const texts = files.map((file) => readFile(join(folder, file), 'utf8'));
  return (await Promise.all(texts)).map((text) => load(text) as object);
}
