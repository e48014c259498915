import { pick } from '../../src/base/random.ts';
import type { Cluster } from './cluster.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';

/** One thing that goes wrong for a while. Each puts itself right in the end, or {@link healAll} does. */
type Fault = (cluster: Cluster) => void;

const crashStorage: Fault = (cluster) => {
  const { timeline } = cluster;
  const storage = pick(timeline.random, [...cluster.storages.values()]);
  if (storage === undefined || !storage.process.isRunning) return;
  cluster.crashStorage(storage);
  timeline.after(timeline.between(100, 3000), () => cluster.restartStorage(storage));
};

/** It may be found again a little later, whether anybody has noticed by then or not. */
const loseVolume: Fault = (cluster) => {
  const { timeline } = cluster;
  const storage = pick(timeline.random, [...cluster.storages.values()]);
  if (storage === undefined || !storage.process.isRunning) return;
  const { volume } = storage;
  cluster.changeVolume(storage, timeline.between(100, 2000));
  if (timeline.chance(0.5)) return;
  timeline.after(timeline.between(200, 8000), () => {
    if (cluster.isFaulty) cluster.changeVolume(storage, timeline.between(100, 2000), volume);
  });
};

const hangStorage: Fault = (cluster) => {
  const { timeline } = cluster;
  const storage = pick(timeline.random, [...cluster.storages.values()]);
  if (storage === undefined || !storage.process.isRunning) return;
  const { process } = storage;
  cluster.pauseStorage(storage);
  timeline.after(timeline.between(200, 5000), () => process.resume());
};

const cutLink: Fault = ({ timeline, proxies }) => {
  const link = pick(timeline.random, pick(timeline.random, proxies)?.links ?? []);
  if (link === undefined) return;
  link.cut();
  timeline.after(timeline.between(50, 3000), () => link.mend());
};

/** A proxy is cut off from all storages, and not from the store. */
const isolateProxy: Fault = (cluster) => {
  const proxy = pick(cluster.timeline.random, cluster.proxies);
  if (proxy !== undefined) isolate(cluster, proxy);
};

function isolate({ timeline }: Cluster, { links }: SimulatedProxy): void {
  for (const link of links) link.cut();
  timeline.after(timeline.between(50, 3000), () => {
    for (const link of links) link.mend();
  });
}

const crashProxy: Fault = (cluster) => {
  const proxy = pick(cluster.timeline.random, cluster.proxies);
  if (proxy !== undefined) crash(cluster, proxy);
};

function crash(cluster: Cluster, proxy: SimulatedProxy): void {
  const { timeline, proxies } = cluster;
  if (proxies.length < 2 || proxy.process.hasCrashed) return;
  cluster.crashProxy(proxy);
  timeline.after(timeline.between(100, 4000), () => cluster.startProxy());
}

const pauseProxy: Fault = (cluster) => {
  const proxy = pick(cluster.timeline.random, cluster.proxies);
  if (proxy !== undefined) pause(cluster, proxy);
};

function pause({ timeline }: Cluster, proxy: SimulatedProxy): void {
  timeline.tell(() => `${proxy.name} is paused`);
  proxy.process.pause();
  timeline.after(timeline.between(300, 6000), () => {
    timeline.tell(() => `${proxy.name} goes on`);
    proxy.process.resume();
  });
}

/** Sometimes a proxy crashes, is paused or is cut off in the middle of a write that begins now. */
export function maybeInterrupt(cluster: Cluster, proxy: SimulatedProxy): void {
  const { timeline } = cluster;
  if (!timeline.chance(0.02)) return;
  const interrupt = pick(timeline.random, [crash, pause, pause, isolate]) ?? pause;
  timeline.after(timeline.between(2, 30), () => interrupt(cluster, proxy));
}

const cutStore: Fault = ({ timeline, proxies }) => {
  const all = timeline.chance(0.3);
  const one = pick(timeline.random, proxies);
  const cutOff = proxies.filter((proxy) => all || proxy === one);
  const names = cutOff.map(({ name }) => name).join(', ');
  timeline.tell(() => `the store is away for ${names}`);
  for (const proxy of cutOff) proxy.process.receive(() => proxy.store.disconnect());
  timeline.after(timeline.between(20, 4000), () => {
    timeline.tell(() => `the store is back for ${names}`);
    for (const proxy of cutOff) proxy.process.receive(() => proxy.store.reconnect());
  });
};

/** Each proxy takes note of it, and of its end, in its own time. Some never do. */
const drainStorage: Fault = ({ timeline, proxies, storages }) => {
  const drained = pick(timeline.random, [...storages.keys()]);
  const links = proxies.flatMap((proxy) => proxy.links.filter(({ name }) => name === drained));
  for (const link of links) {
    if (timeline.chance(0.2)) continue;
    timeline.after(timeline.between(1, 1000), () => {
      link.isDraining = true;
      timeline.after(timeline.between(500, 6000), () => {
        link.isDraining = false;
      });
    });
  }
};

const faults: readonly Fault[] = [
  crashStorage,
  hangStorage,
  loseVolume,
  cutLink,
  cutLink,
  isolateProxy,
  crashProxy,
  pauseProxy,
  cutStore,
  drainStorage,
];

/** Makes things go wrong at random moments until `untilMs`. */
export function causeFaults(cluster: Cluster, untilMs: number): void {
  const { timeline } = cluster;
  cluster.isFaulty = true;
  const next = () => {
    if (timeline.monotonicMs() > untilMs) return;
    pick(timeline.random, faults)?.(cluster);
    timeline.after(timeline.between(0, 1500), next);
  };
  timeline.after(timeline.between(50, 1500), next);
}

/** By then what was elsewhere too was given up, and a new volume is used. */
const volumeSearchMs = 60_000;

/** Everything works again, at once and for good. Volumes that are needed are found again a little later. */
export function healAll(cluster: Cluster): void {
  cluster.timeline.tell(() => 'everything works again');
  cluster.isFaulty = false;
  for (const storage of cluster.storages.values()) {
    storage.failNoMore();
    storage.process.resume();
    cluster.restartStorage(storage);
  }
  cluster.timeline.after(volumeSearchMs, () => cluster.bringVolumesBack());
  for (const proxy of cluster.proxies) {
    proxy.process.resume();
    proxy.process.receive(() => proxy.store.reconnect());
    for (const link of proxy.links) {
      link.mend();
      link.isDraining = false;
    }
  }
}
