import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controlPlaneNamespace } from './addresses.ts';
import { baseImage, type ImageArchive } from './base-image.ts';
import { Cache, filesBelow, hashInputs } from './cache.ts';
import { containerdSeed } from './containerd-seed.ts';
import {
  type ControlPlaneContext,
  controllersReady,
  isApiReady,
  startControlPlane,
  startServiceProxy,
  startVolumeProvisioner,
} from './control-plane.ts';
import { installMissing } from './debian-tools.ts';
import { bringUp, endPodFaults } from './faults.ts';
import { goBinaries, hasGoBinaries } from './go-binaries.ts';
import { createNetwork, plugIn } from './network.ts';
import { npmTools } from './npm-tools.ts';
import { claim, evict, release } from './owner.ts';
import { type Paths, stateLayout } from './paths.ts';
import { createPki } from './pki.ts';
import {
  buildPostgresImage,
  buildProductImages,
  type ImageArchives,
  type ProductSources,
} from './product-images.ts';
import { inParallel, type Progress, waitFor } from './progress.ts';
import { requirements, type Requirements } from './requirements.ts';
import { type Binaries, RunningTestbed } from './running-testbed.ts';
import { buildSystemImages } from './system-images.ts';
import { tearDown } from './teardown.ts';

/** What `up` and `down` work with. */
export interface TestbedOptions {
  readonly paths: Paths;
  readonly progress: Progress;
}

/** A testbed that is up. */
export interface UpResult {
  readonly testbed: RunningTestbed;
  /** The product's images, in every node; undefined if not asked for. */
  readonly images: ImageArchives | undefined;
}

/** What a new cluster is made from. */
interface Parts extends Binaries {
  /** See {@link containerdSeed}. */
  readonly seed: string;
  readonly images: readonly ImageArchive[];
}

const readyLimitMs = 180_000;

/**
 * Brings a testbed up, whatever was there before:
 *
 * 1. Build what isn't in the cache: binaries, base image, system images, product images.
 * 2. A cluster of this very testbed that works is kept; its nodes are healed of all faults.
 *    Anything else that there is of a cluster is removed, and a new one made.
 * 3. Load the images that changed, and wait until nodes and DNS are ready.
 *
 * Without `sources` the cluster comes up without the product's images.
 */
export async function up(options: TestbedOptions, sources?: ProductSources): Promise<UpResult> {
  const { paths, progress } = options;
  const cache = new Cache(paths.cache);
  const verdict = await testbedRequirements(paths);
  if (verdict.kind === 'unsupported') {
    throw new Error(`this machine can't carry the testbed:\n- ${verdict.reasons.join('\n- ')}`);
  }
  await claim();
  try {
    await installMissing(progress);
    await mkdir(paths.cache, { recursive: true });
    await cache.removeUnfinished();
    const binaries = await buildBinaries(options, cache);
    const base = await baseImage(cache, progress);
    const system = await buildSystemImages(cache, binaries.kubernetes);
    const postgres = await buildPostgresImage(paths, cache, base);
    const product =
      sources === undefined ? undefined : await buildProductImages(paths, cache, base, sources);
    const foundation = [...system, base, postgres];
    const images = [...foundation, ...new Set(Object.values(product ?? {}))];

    const testbed = new RunningTestbed(paths, binaries);
    const fingerprint = await fingerprintOf(paths, binaries);
    if (await isHealthy(paths, testbed, fingerprint)) {
      progress.say('the cluster is there already');
      await heal(testbed, images);
    } else {
      await tearDown(paths);
      const seed = await containerdSeed(paths.source, cache, foundation, progress);
      await create(options, testbed, { ...binaries, seed, images });
    }
    await waitUntilReady(testbed, progress);
    await writeFile(stateLayout(paths.state).fingerprint, fingerprint);
    return { testbed, images: product && { ...product, postgres } };
  } finally {
    await release();
  }
}

/** Whether this machine can carry the testbed. */
export async function testbedRequirements(paths: Paths): Promise<Requirements> {
  return requirements(paths.state, await hasGoBinaries(paths, new Cache(paths.cache)));
}

/** Removes the testbed and ends an `up` that is at work. The cache stays. */
export async function down({ paths }: TestbedOptions): Promise<void> {
  await evict();
  await tearDown(paths);
  await new Cache(paths.cache).removeUnfinished();
}

/** A handle on the testbed that is up, or undefined if none was finished. Starts and builds nothing. */
export async function findTestbed({
  paths,
  progress,
}: TestbedOptions): Promise<RunningTestbed | undefined> {
  const { fingerprint } = stateLayout(paths.state);
  const isFinished = await readFile(fingerprint).then(
    () => true,
    () => false,
  );
  const cache = new Cache(paths.cache);
  if (!isFinished || !(await hasGoBinaries(paths, cache))) return undefined;
  return new RunningTestbed(paths, await buildBinaries({ paths, progress }, cache));
}

async function buildBinaries(options: TestbedOptions, cache: Cache): Promise<Binaries> {
  const { paths, progress } = options;
  return {
    kubernetes: await goBinaries(paths, cache, progress),
    tools: await npmTools(paths, cache),
  };
}

async function create(
  { paths, progress }: TestbedOptions,
  testbed: RunningTestbed,
  parts: Parts,
): Promise<void> {
  const layout = stateLayout(paths.state);
  const plans = testbed.nodes.map(({ plan }) => plan);
  for (const folder of [layout.config, layout.logs, layout.scratch]) {
    await mkdir(folder, { recursive: true });
  }
  await createPki(layout.pki, plans);
  await createNetwork(plans);

  const context: ControlPlaneContext = {
    paths,
    binaries: parts.kubernetes,
    namespace: controlPlaneNamespace,
    processes: testbed.processes,
    progress,
  };
  await inParallel(
    [
      () => startControlPlane(context),
      () => progress.during('nodes and their images', () => bootNodes(testbed, parts)),
    ],
    (action) => action(),
  );
  await inParallel(testbed.nodes, (node) => node.startKubelet());
  await applyManifests(paths, testbed);
  await startVolumeProvisioner(context);
  await progress.during('nodes to register', () => waitUntilRegistered(testbed));
  const [first] = plans;
  if (first !== undefined) await startServiceProxy(context, first);
  await controllersReady(context);
}

async function bootNodes(testbed: RunningTestbed, { seed, images }: Parts): Promise<void> {
  await inParallel(testbed.nodes, async (node) => {
    await node.install(seed);
    await node.powerOn();
  });
  await testbed.loadImages(images);
}

async function applyManifests(paths: Paths, { tools }: RunningTestbed): Promise<void> {
  const files = ['dns.yaml', 'storage.yaml'].map((name) => join(paths.source, 'manifests', name));
  await tools.kubectl(['apply', ...files.flatMap((file) => ['-f', file])]);
}

/** Undoes all faults. */
async function heal(testbed: RunningTestbed, images: readonly ImageArchive[]): Promise<void> {
  await testbed.loadImages(images);
  const wanted = await testbed.images();
  await inParallel(testbed.nodes, async (node) => {
    await plugIn(node.plan);
    await bringUp(node, wanted);
    await endPodFaults(node);
  });
}

async function waitUntilReady({ tools }: RunningTestbed, progress: Progress): Promise<void> {
  const timeout = `--timeout=${readyLimitMs / 1000}s`;
  const options = { limitMs: readyLimitMs + 10_000 };
  await progress.during('nodes to be ready', () =>
    tools.kubectl(['wait', '--for=condition=Ready', 'nodes', '--all', timeout], options),
  );
  const coredns = ['--namespace=kube-system', 'rollout', 'status', 'daemonset/coredns', timeout];
  await progress.during('DNS to be ready', () => tools.kubectl(coredns, options));
}

async function waitUntilRegistered({ tools, nodes }: RunningTestbed): Promise<void> {
  const options = { limitMs: readyLimitMs, everyMs: 300 };
  await waitFor('nodes to register', options, async () => {
    const registered = (await tools.kubectl(['get', 'nodes', '-o', 'name'])).split('\n');
    const missing = nodes.filter(({ plan }) => !registered.includes(`node/${plan.name}`));
    if (missing.length === 0) return { kind: 'done', value: undefined };
    return { kind: 'waiting', for: missing.map(({ plan }) => plan.name).join(', ') };
  });
}

async function isHealthy(
  paths: Paths,
  testbed: RunningTestbed,
  fingerprint: string,
): Promise<boolean> {
  const made = await readFile(stateLayout(paths.state).fingerprint, 'utf8').catch(() => undefined);
  if (made !== fingerprint) return false;
  const nodeNames = new Set(testbed.nodes.map(({ plan }) => plan.name));
  for (const name of await testbed.processes.names()) {
    if (!nodeNames.has(name) && (await testbed.processes.find(name)) === undefined) return false;
  }
  return isApiReady(paths.state);
}

/** What a cluster depends on; a cluster that was made from something else is made anew. */
async function fingerprintOf(paths: Paths, binaries: Binaries): Promise<string> {
  const sources = Object.entries(await filesBelow(paths.source));
  const relevant = sources.filter(([file]) => !/\.test\.ts$|\.md$/.test(file));
  return hashInputs({ ...Object.fromEntries(relevant), '/binaries': binaries.kubernetes });
}
