import { describe, expect, test } from '@jest/globals';

import { clusterContext } from '../../test/support/gitaly-cluster.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { podOf } from '../../test/support/observed-cluster.ts';
import type { Pod } from '../api/kubernetes.ts';
import { StartupLogs, type StartupLogsOptions } from './startup-logs.ts';

const cluster = { namespace: 'git', name: 'gitaly' };
const made = podOf(clusterContext(), 'gitaly-default-0', { component: 'storage' });
const ready = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-31T10:00:05Z' };
const pod: Pod = { ...made, status: { conditions: [ready] } };
const uid = pod.metadata.uid ?? '';

const errorAt = (time: string) => `2026-01-31T10:00:${time}Z {"level":"error","msg":"no hooks"}`;
const clean = { kind: 'clean' };
const errors = { kind: 'errors', message: 'its log has an error: no hooks' };

type PodLog = StartupLogsOptions['client']['podLog'];

/** Logs that are read one after the other, as these say. */
function startupLogs(...answers: readonly PodLog[]) {
  const clock = new ManualClock();
  const asked: Parameters<PodLog>[] = [];
  const podLog: PodLog = (...request) => {
    const answer = answers[asked.length];
    asked.push(request);
    return answer ? answer(...request) : Promise.reject(new Error('asked too often'));
  };
  return { logs: new StartupLogs({ client: { podLog }, clock }), clock, asked };
}

const having =
  (...lines: readonly string[]): PodLog =>
  async () =>
    (async function* each() {
      yield* lines;
    })();

const failing: PodLog = () => Promise.reject(new Error('no kubelet'));

describe('the log of a new pod', () => {
  test.each([
    ['none', [], clean],
    ['one before it was ready', [errorAt('04.9')], errors],
    ['one in the second that it became ready in', [errorAt('05.9')], errors],
    ['one later', [errorAt('06.1')], clean],
  ])('has errors of its start: %s', async (_what, lines, verdict) => {
    const { logs } = startupLogs(having(...lines));
    expect([...(await logs.of(cluster, [pod]))]).toEqual([[uid, verdict]]);
  });

  test('is that of Gitaly, and only its beginning', async () => {
    const { logs, asked } = startupLogs(having());
    await logs.of(cluster, [pod]);
    const { namespace, name } = pod.metadata;
    const query = { container: 'gitaly', limitBytes: 262_144 };
    expect(asked).toMatchObject([[{ namespace, name }, query]]);
  });

  test('is read once, and again for another pod of the name', async () => {
    const { logs } = startupLogs(having(), having(errorAt('04')));
    await logs.of(cluster, [pod]);
    expect((await logs.of(cluster, [pod])).get(uid)).toEqual(clean);
    const other = { ...pod, metadata: { ...pod.metadata, uid: 'other' } };
    expect([...(await logs.of(cluster, [other]))]).toEqual([['other', errors]]);
  });

  test('is tried again when it could not be read, and it is told since when', async () => {
    const { logs, clock } = startupLogs(failing, failing, having());
    const message = 'its log cannot be read: no kubelet';
    const unread = { kind: 'unread', message, sinceMs: clock.wallMs() };
    expect((await logs.of(cluster, [pod])).get(uid)).toEqual(unread);
    await clock.advance(2000);
    expect((await logs.of(cluster, [pod])).get(uid)).toEqual(unread);
    expect((await logs.of(cluster, [pod])).get(uid)).toEqual(clean);
  });

  test('is given up when it does not end', async () => {
    const hanging: PodLog = (_name, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const { logs, clock } = startupLogs(hanging);
    const reading = logs.of(cluster, [pod]);
    await clock.advance(5000);
    expect((await reading).get(uid)).toMatchObject({ kind: 'unread' });
  });
});
