import { pick } from '../../src/base/random.ts';
import type { WriteClass } from '../../src/proxy/relay/write-classes.ts';
import type { ClusterShape } from './cluster.ts';
import type { Scenario } from './scenario.ts';
import type { Timeline } from './timeline.ts';

/** One for each way in which a write is made durable (docs/write-protocol.md). */
const writeClasses = {
  push: { intent: 'atFirstVote', changesNeedVotes: true },
  voting: { intent: 'atDispatch', changesNeedVotes: true },
  other: { intent: 'beforeDispatch', changesNeedVotes: false },
} as const satisfies Record<string, WriteClass>;

const three: ClusterShape = {
  proxies: 2,
  storages: 3,
  replicationFactor: 3,
  minInSyncReplicas: 2,
  // There is nothing to be done most of the time, and each look costs some of the runs that there could be.
  repairIntervalMs: 1000,
  skewMs: 200,
  drift: 0.01,
};
const relaxed: ClusterShape = { ...three, minInSyncReplicas: 1 };
const two: ClusterShape = { ...three, storages: 2, replicationFactor: 2 };
const spare: ClusterShape = { ...three, replicationFactor: 2, minInSyncReplicas: 1 };

const main = (value: string) => ({ ref: 'main', value });
const own = (ref: string) => ({ ref, value: '1' });

/** In the order in which their crash points are listed. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'voting',
    shape: three,
    begin: (run) => run.write('p1', { class: writeClasses.voting, changes: [main('w1')] }),
  },
  {
    name: 'push',
    shape: three,
    begin(run) {
      const changes = [main('w1'), own('topic')];
      run.write('p1', { class: writeClasses.push, changes });
    },
  },
  {
    name: 'slow-push',
    shape: relaxed,
    begin(run) {
      const changes = [main('w1'), own('topic')];
      run.write('p1', { class: writeClasses.push, changes, gapMs: 4500 });
    },
  },
  {
    name: 'other',
    shape: three,
    begin(run) {
      run.write('p1', { class: writeClasses.other, changes: [main('w1')], votes: false });
    },
  },
  {
    name: 'other-that-votes',
    shape: relaxed,
    begin: (run) => run.write('p1', { class: writeClasses.other, changes: [main('w1')] }),
  },
  {
    name: 'two-replicas',
    shape: two,
    begin: (run) => run.write('p1', { class: writeClasses.voting, changes: [main('w1')] }),
  },
  {
    name: 'one-is-enough',
    shape: relaxed,
    begin: (run) => run.write('p1', { class: writeClasses.push, changes: [main('w1')] }),
  },
  {
    name: 'same-reference',
    shape: three,
    begin(run) {
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')], isBlind: true });
      run.write('p2', { class: writeClasses.push, changes: [main('w2')], isBlind: true });
    },
  },
  {
    name: 'other-beside-voting',
    shape: relaxed,
    begin(run) {
      run.write('p1', { class: writeClasses.other, changes: [main('w1')], votes: false });
      run.write('p2', { class: writeClasses.voting, changes: [main('w2')], isBlind: true });
    },
  },
  {
    name: 'client-gives-up',
    shape: three,
    begin(run) {
      const abortAfterMs = run.cluster.timeline.between(2, 40);
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')], abortAfterMs });
    },
  },
  {
    name: 'repair',
    shape: relaxed,
    begin(run) {
      const c = run.cluster.storage('c');
      run.cluster.crashStorage(c);
      run.write('p1', { class: writeClasses.voting, changes: [main('w1'), own('first')] });
      run.after(60, () => run.cluster.restartStorage(c));
      run.after(1700, () =>
        run.write('p2', { class: writeClasses.push, changes: [main('w2'), own('second')] }),
      );
    },
  },
  {
    name: 'fewer-replicas',
    shape: { ...spare, replicas: 3 },
    begin(run) {
      run.changeReplicaCount('p2', 2);
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(30, () => run.write('p2', { class: writeClasses.push, changes: [main('w2')] }));
    },
  },
  {
    name: 'fewer-then-more-replicas',
    shape: { ...spare, replicas: 3 },
    begin(run) {
      run.changeReplicaCount('p2', 2);
      for (const ms of [1500, 2500, 4000]) run.after(ms, () => run.changeReplicaCount('p1', 3));
      run.after(1600, () => run.write('p1', { class: writeClasses.voting, changes: [main('w1')] }));
    },
  },
  {
    name: 'more-replicas',
    shape: spare,
    begin(run) {
      run.changeReplicaCount('p2', 3);
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
    },
  },
  {
    name: 'decommission',
    shape: { ...three, storages: 4, fullRepairIntervalMs: 1000 },
    begin(run) {
      run.cluster.decommission('a');
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      for (const ms of [1500, 3000]) {
        const changes = [main(`w${ms}`), own(`topic-${ms}`)];
        run.after(ms, () => run.write('p2', { class: writeClasses.push, changes }));
      }
    },
  },
  {
    name: 'move',
    shape: { ...three, storages: 4 },
    begin(run) {
      run.moveReplica('p2', { from: 'c', to: 'd' });
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      for (const ms of [1500, 2500]) {
        const changes = [main(`w${ms}`), own(`topic-${ms}`)];
        run.after(ms, () => run.write('p2', { class: writeClasses.push, changes }));
      }
      run.after(4000, () => run.moveReplica('p1', { from: 'd', to: 'c' }));
    },
  },
  {
    name: 'move-of-the-primary',
    shape: spare,
    begin(run) {
      run.moveReplica('p1', { from: 'a', to: 'c' });
      run.write('p2', { class: writeClasses.push, changes: [main('w1')], gapMs: 700 });
      run.after(1500, () => run.write('p1', { class: writeClasses.other, changes: [main('w2')] }));
    },
  },
  {
    name: 'creation',
    shape: three,
    begin: (run) => run.create('p1'),
  },
  {
    name: 'removal',
    shape: three,
    begin(run) {
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(15, () => run.remove('p2'));
    },
  },
  {
    name: 'accepted-loss',
    shape: relaxed,
    begin(run) {
      const b = run.cluster.storage('b');
      const c = run.cluster.storage('c');
      run.cluster.crashStorage(c);
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(200, () => {
        run.cluster.crashStorage(run.cluster.storage('a'));
        run.cluster.crashStorage(b);
        run.cluster.restartStorage(c);
      });
      run.after(1500, () => run.acceptLoss('p2', 'c'));
      run.after(1550, () => {
        run.write('p1', { class: writeClasses.voting, changes: [main('w2')] });
        for (const name of ['a', 'b']) run.cluster.restartStorage(run.cluster.storage(name));
      });
    },
  },
  {
    name: 'needless-loss',
    shape: relaxed,
    begin(run) {
      const c = run.cluster.storage('c');
      run.cluster.crashStorage(c);
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(200, () => run.cluster.restartStorage(c));
      run.after(1400, () => run.acceptLoss('p2', 'c'));
    },
  },
  {
    name: 'lost-volume',
    shape: relaxed,
    begin(run) {
      const { cluster } = run;
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(200, () => cluster.changeVolume(cluster.storage('a'), 100));
      for (let ms = 1300; ms < 2600; ms += 100) run.after(ms, () => run.read());
    },
  },
  {
    name: 'misplaced-volume',
    shape: relaxed,
    begin(run) {
      const { cluster } = run;
      const b = cluster.storage('b');
      const { volume } = b;
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(200, () => cluster.changeVolume(b, 100));
      run.after(1700, () => cluster.changeVolume(b, 100, volume));
      run.after(4200, () => cluster.changeVolume(b, 100, 'b2'));
      for (let ms = 3000; ms < 6500; ms += 500) run.after(ms, () => run.read());
    },
  },
  {
    name: 'lost-silently',
    shape: { ...relaxed, verificationIntervalMs: 2000 },
    excludes: /volume/,
    begin(run) {
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(100, () => run.damage('c', 'loses'));
      run.after(4000, () => {});
    },
  },
  {
    name: 'altered-silently',
    shape: { ...three, verificationIntervalMs: 2000 },
    excludes: /volume/,
    begin(run) {
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(100, () => run.damage('b', 'alters'));
      run.after(4000, () => {});
    },
  },
  {
    name: 'no-majority',
    shape: { ...two, minInSyncReplicas: 1, verificationIntervalMs: 2000 },
    excludes: /volume/,
    begin(run) {
      run.write('p1', { class: writeClasses.voting, changes: [main('w1')] });
      run.after(100, () => run.damage('a', 'alters'));
      run.chooseWhereAsked('b');
      run.after(4000, () => {});
    },
  },
];

/** Shapes, writes and clocks by chance. */
export function mixedScenario(timeline: Timeline): Scenario {
  const shapes = [three, relaxed, two, spare, { ...three, proxies: 3 }];
  const shape = pick(timeline.random, shapes) ?? three;
  const isWild = timeline.chance(0.3);
  return {
    name: 'mixed',
    shape: { ...shape, ...(isWild && { skewMs: 15_000, drift: 0.05 }) },
    begin(run) {
      const count = 1 + Math.floor(timeline.between(0, 3));
      for (let index = 1; index <= count; index++) {
        const chosen = pick(timeline.random, Object.values(writeClasses)) ?? writeClasses.voting;
        const shared = timeline.chance(0.5) ? [main(`w${index}`)] : [];
        const changes = timeline.chance(0.5) || shared.length === 0 ? [own(`o${index}`)] : [];
        const votes = chosen.changesNeedVotes || timeline.chance(0.3);
        const isBlind = timeline.chance(0.5);
        const proxy = pick(timeline.random, ['p1', 'p1', 'p2']) ?? 'p1';
        run.after(timeline.between(0, timeline.chance(0.2) ? 2000 : 40), () =>
          run.write(proxy, { class: chosen, changes: [...changes, ...shared], votes, isBlind }),
        );
      }
      if (timeline.chance(0.1)) run.after(timeline.between(0, 60), () => run.create('p2'));
    },
  };
}
