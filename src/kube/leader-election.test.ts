import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { ManualClock } from '../../test/support/manual-clock.ts';
import { silentLogger } from '../base/logger.ts';
import type { KubeObject } from '../api/kubernetes.ts';
import { Scope } from '../base/scope.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeError } from './kube-error.ts';
import { LeaderElection } from './leader-election.ts';
import type { Lease } from './resource-types.ts';

/** The Lease of an API server that can be made to fail. */
class FakeLeases {
  lease: Lease | undefined;
  broken: 'no' | 'refusing' | 'hanging' = 'no';
  #version = 0;

  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'> = {
    get: async <T extends KubeObject>() => {
      await this.#suffer();
      return this.lease as T | undefined;
    },
    create: async <T extends KubeObject>(object: T) => {
      await this.#suffer();
      return this.lease ? undefined : (this.#write(object as unknown as Lease) as unknown as T);
    },
    replace: async <T extends KubeObject>(object: T) => {
      await this.#suffer();
      if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
        throw new KubeError(409, 'Conflict', 'somebody was faster');
      }
      return this.#write(object as unknown as Lease) as unknown as T;
    },
  };

  #write(lease: Lease): Lease {
    this.#version += 1;
    const metadata = { ...lease.metadata, uid: 'u', resourceVersion: `${this.#version}` };
    this.lease = { ...lease, metadata };
    return this.lease;
  }

  async #suffer(): Promise<void> {
    if (this.broken === 'refusing') throw new KubeError(500, 'InternalError', 'etcd is down');
    if (this.broken === 'hanging') await new Promise(() => {});
  }
}

let scope: Scope;
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.stop());

function candidate(identity: string, leases: FakeLeases, clock: ManualClock) {
  const events: string[] = [];
  const election = scope.own(
    LeaderElection.start({
      client: leases.client,
      lease: { namespace: 'ops', name: 'operator' },
      identity,
      clock,
      random: { next: () => 0 },
      logger: silentLogger,
      onElected: () => events.push('elected'),
      onLost: (reason) => events.push(`lost: ${reason}`),
    }),
  );
  return { election, events };
}

describe('the leader election', () => {
  test('lets the first candidate lead at once and the second wait', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const first = candidate('one', leases, clock);
    await clock.advance(0);
    const second = candidate('two', leases, clock);
    await clock.advance(60_000);
    expect(first.events).toEqual(['elected']);
    expect(second.events).toEqual([]);
    expect(leases.lease?.spec).toMatchObject({
      holderIdentity: 'one',
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
      renewTime: expect.stringMatching(/^2023-11-14T22:14:\d\d\.000000Z$/),
    });
  });

  test('hands over at the next attempt when the leader stops', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const first = candidate('one', leases, clock);
    await clock.advance(0);
    const second = candidate('two', leases, clock);
    await clock.advance(5000);
    await first.election.stop();
    await clock.advance(2000);
    expect(second.events).toEqual(['elected']);
    expect(first.events).toEqual(['elected']);
    expect(leases.lease?.spec).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
  });

  test('takes the lease of a leader that vanished after its duration, and not before', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    leases.lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'operator', namespace: 'ops', uid: 'u', resourceVersion: '0' },
      // A clock that is a year ahead must not matter.
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '2030-01-01T00:00:00Z' },
    };
    const { events } = candidate('two', leases, clock);
    await clock.advance(14_000);
    expect(events).toEqual([]);
    await clock.advance(2000);
    expect(events).toEqual(['elected']);
  });

  test.each(['refusing', 'hanging'] as const)(
    'gives up after ten seconds of a %s API server, before another may take over',
    async (broken) => {
      const leases = new FakeLeases();
      const clock = new ManualClock();
      const { events, election } = candidate('one', leases, clock);
      await clock.advance(4000);
      leases.broken = broken;
      await clock.advance(9999);
      expect(events).toEqual(['elected']);
      await clock.advance(1);
      expect(events).toEqual(['elected', 'lost: the lease was not renewed in time']);
      expect(election.isLeader).toBe(false);
      const stopped = election.stop();
      await clock.advance(5000);
      await stopped;
    },
  );

  test('goes on leading if the API server is back in time', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const { events } = candidate('one', leases, clock);
    await clock.advance(4000);
    leases.broken = 'refusing';
    await clock.advance(7000);
    leases.broken = 'no';
    await clock.advance(60_000);
    expect(events).toEqual(['elected']);
  });

  test('gives up at once when it sees that another one leads', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const { events } = candidate('one', leases, clock);
    await clock.advance(1);
    if (!leases.lease) throw new Error('no lease');
    leases.lease = { ...leases.lease, spec: { holderIdentity: 'two', leaseDurationSeconds: 15 } };
    await clock.advance(2000);
    expect(events).toEqual(['elected', 'lost: another replica holds the lease']);
  });

  test('never has two leaders, whenever candidates come, stop and lose the API server', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const candidates = ['one', 'two', 'three'].map((name) => candidate(name, leases, clock));
    for (const broken of ['no', 'refusing', 'no', 'hanging', 'no'] as const) {
      leases.broken = broken;
      for (let step = 0; step < 40; step += 1) {
        await clock.advance(500);
        const leaders = candidates.filter(({ election }) => election.isLeader);
        expect(leaders.length).toBeLessThanOrEqual(1);
      }
    }
  });
});
