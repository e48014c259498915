import type { Cluster } from './cluster.ts';
import type { SimulatedProxy } from './simulated-proxy.ts';
import type { SimulatedStorage } from './simulated-storage.ts';

/** What a fault does to a cluster. It puts itself right after `forMs`, if it lasts. */
interface ShortFault {
  readonly name: string;
  /** Returns how long it lasts. */
  begin(cluster: Cluster): number;
}

const storageFaults = ['a', 'b', 'c'].flatMap((name): readonly ShortFault[] => {
  const on = (what: string, begin: (cluster: Cluster, storage: SimulatedStorage) => number) => ({
    name: `${name}-${what}`,
    begin(cluster: Cluster) {
      const storage = cluster.storages.get(name);
      return storage === undefined ? 0 : begin(cluster, storage);
    },
  });
  const restartsAfter = (delayMs: number) => (cluster: Cluster, storage: SimulatedStorage) => {
    cluster.crashStorage(storage);
    cluster.timeline.after(delayMs, () => cluster.restartStorage(storage));
    return delayMs;
  };
  const hangsFor = (forMs: number) => (cluster: Cluster, storage: SimulatedStorage) => {
    const { process } = storage;
    cluster.pauseStorage(storage);
    cluster.timeline.after(forMs, () => process.resume());
    return forMs;
  };
  // Found again while the proxies are about to give it up, or before they have heard of each other.
  const misplacesVolumeFor = (forMs: number) => (cluster: Cluster, storage: SimulatedStorage) => {
    const { volume } = storage;
    cluster.changeVolume(storage, 100);
    cluster.timeline.after(forMs, () => cluster.changeVolume(storage, 100, volume));
    return forMs + 2000;
  };
  return [
    on('crashes', restartsAfter(300)),
    on('stays-away', restartsAfter(9000)),
    // Not noticed by others; noticed by writes, which leave it behind; and long enough to be lost.
    on('hangs-shortly', hangsFor(700)),
    on('hangs-a-while', hangsFor(2200)),
    on('hangs', hangsFor(7000)),
    on('loses-its-volume', (cluster, storage) => {
      cluster.changeVolume(storage, 300);
      return 6000;
    }),
    on('misplaces-its-volume-1500', misplacesVolumeFor(1500)),
    on('misplaces-its-volume-2500', misplacesVolumeFor(2500)),
    on('misplaces-its-volume-4500', misplacesVolumeFor(4500)),
    on('fails', (_, storage) => {
      storage.failNext('failsToApply');
      return 0;
    }),
    on('refuses', (_, storage) => {
      storage.failNext('refusesCall');
      return 0;
    }),
    on('differs', (_, storage) => {
      storage.failNext('differs');
      return 0;
    }),
    on('is-cut-off', ({ timeline, proxies }) => {
      const links = linksTo(proxies, name);
      for (const link of links) link.cut();
      timeline.after(2000, () => links.forEach((link) => link.mend()));
      return 2000;
    }),
  ];
});

const proxyFaults = ['p1', 'p2'].flatMap((name): readonly ShortFault[] => {
  const on = (what: string, begin: (cluster: Cluster, proxy: SimulatedProxy) => number) => ({
    name: `${name}-${what}`,
    begin(cluster: Cluster) {
      const proxy = cluster.proxies.find((candidate) => candidate.name === name);
      return proxy === undefined ? 0 : begin(cluster, proxy);
    },
  });
  const away = (what: (proxy: SimulatedProxy) => void, forMs: number) => {
    return ({ timeline }: Cluster, proxy: SimulatedProxy) => {
      proxy.process.receive(() => what(proxy));
      timeline.after(forMs, () => proxy.process.receive(() => proxy.store.reconnect()));
      return forMs;
    };
  };
  const pausesFor =
    (forMs: number) =>
    ({ timeline }: Cluster, { process, links }: SimulatedProxy) => {
      timeline.tell(() => `${name} stands still for ${forMs} ms`);
      for (const link of links) link.forgetUnheard();
      process.pause();
      timeline.after(forMs, () => process.resume());
      return forMs;
    };
  const noticesSilence = ({ store, process }: SimulatedProxy) => {
    store.fallSilent();
    // Its listening connection is probed, and given up.
    process.after(3000, () => {
      if (!store.isPrompt) store.disconnect();
    });
  };
  // It hears nothing, or is not heard. What it has sent arrives later.
  const isCutOffFor =
    (forMs: number, how: 'stall' | 'mute') =>
    ({ timeline }: Cluster, proxy: SimulatedProxy) => {
      const { process, store, links } = proxy;
      timeline.tell(() => `${name} is cut off for ${forMs} ms`);
      for (const link of links) link[how](forMs);
      process.receive(() => noticesSilence(proxy));
      timeline.after(forMs, () => process.receive(() => store.reconnect()));
      return forMs;
    };
  return [
    on('crashes', (cluster, proxy) => {
      cluster.crashProxy(proxy);
      cluster.timeline.after(500, () => cluster.startProxy());
      return 500;
    }),
    // Shorter than a lease, longer than all of them, and longer than everything that waits for a barrier.
    on('pauses-1000', pausesFor(1000)),
    on('pauses-4000', pausesFor(4000)),
    on('pauses-15000', pausesFor(15_000)),
    on('is-cut-off-2400', isCutOffFor(2400, 'stall')),
    on('is-cut-off-5000', isCutOffFor(5000, 'stall')),
    on('is-not-heard-8000', isCutOffFor(8000, 'mute')),
    on('loses-storages', ({ timeline }, { links }) => {
      for (const link of links) link.cut();
      timeline.after(800, () => links.forEach((link) => link.mend()));
      return 800;
    }),
    on(
      'loses-store',
      away(({ store }) => store.disconnect(), 1000),
    ),
    on(
      'loses-store-long',
      away(({ store }) => store.disconnect(), 14_000),
    ),
    on(
      'has-a-late-store',
      away(({ store }) => store.becomeLate(), 5000),
    ),
    on('has-a-silent-store', away(noticesSilence, 6000)),
    on('loses-an-answer', (_, { store }) => {
      store.loseNextSwap();
      return 0;
    }),
  ];
});

const linkFaults = ['a', 'b'].flatMap((storage): readonly ShortFault[] => {
  const stalls = (name: string, forMs: number): ShortFault => ({
    name: `p1-${storage}-${name}`,
    begin({ proxies, timeline }) {
      timeline.tell(() => `nothing arrives between p1 and ${storage} for ${forMs} ms`);
      linksTo(proxies, storage)[0]?.stall(forMs);
      return forMs;
    },
  });
  const cut: ShortFault = {
    name: `p1-${storage}-cut`,
    begin({ proxies, timeline }) {
      const link = linksTo(proxies, storage)[0];
      link?.cut();
      timeline.after(900, () => link?.mend());
      return 900;
    },
  };
  return [stalls('stall-shortly', 400), stalls('stall', 5000), cut];
});

const totalFaults: readonly ShortFault[] = [
  {
    name: 'store-away',
    begin({ proxies, timeline }) {
      const all = [...proxies];
      for (const { process, store } of all) process.receive(() => store.disconnect());
      timeline.after(2500, () => {
        for (const { process, store } of all) process.receive(() => store.reconnect());
      });
      return 2500;
    },
  },
  {
    name: 'proxies-crash',
    begin(cluster) {
      const all = [...cluster.proxies];
      for (const proxy of all) cluster.crashProxy(proxy);
      cluster.timeline.after(700, () => all.forEach(() => cluster.startProxy()));
      return 700;
    },
  },
  {
    name: 'storages-crash',
    begin(cluster) {
      const all = [...cluster.storages.values()];
      for (const storage of all) cluster.crashStorage(storage);
      cluster.timeline.after(400, () => all.forEach((each) => cluster.restartStorage(each)));
      return 400;
    },
  },
];

/** All faults of short schedules, by name. */
export const shortFaults: ReadonlyMap<string, ShortFault> = new Map(
  [...storageFaults, ...proxyFaults, ...linkFaults, ...totalFaults].map((fault) => [
    fault.name,
    fault,
  ]),
);

function linksTo(proxies: readonly SimulatedProxy[], storage: string) {
  return proxies.flatMap(({ links }) => links.filter(({ name }) => name === storage));
}
