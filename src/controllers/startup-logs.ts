import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import type { ObjectName } from '../kube/resource-types.ts';
import { gitalyContainer } from '../reconcilers/gitaly-stateful-set.ts';
import {
  readLoggedLine,
  startupVerdict,
  type StartupLog,
} from '../reconcilers/rollout/startup-log.ts';
import { readinessSinceMs } from '../reconcilers/status/pod-state.ts';
import { keyOf } from './cluster-key.ts';

/** A start is told in some dozen lines. */
const limitBytes = 256 * 1024;
const limitMs = 5000;
/** Kubernetes tells in whole seconds since when a pod is ready. */
const readySlackMs = 1000;

export interface StartupLogsOptions {
  readonly client: Pick<KubeClient, 'podLog'>;
  readonly clock: Clock;
}

/** Reads what new pods of Gitaly have logged until they were ready, each once. */
export class StartupLogs {
  readonly #options: StartupLogsOptions;
  /** By cluster, then by the pod's UID. */
  readonly #read = new Map<string, ReadonlyMap<string, StartupLog>>();

  constructor(options: StartupLogsOptions) {
    this.#options = options;
  }

  /** What the logs of these pods say, by the pods' UIDs. Never rejects, and takes {@link limitMs} at most. */
  async of(cluster: ObjectName, pods: readonly Pod[]): Promise<ReadonlyMap<string, StartupLog>> {
    const key = keyOf(cluster);
    const before = this.#read.get(key);
    const entries = pods.map(async (pod) => {
      const { uid = '' } = pod.metadata;
      return [uid, await this.#logOf(pod, before?.get(uid))] as const;
    });
    const now = new Map(await Promise.all(entries));
    if (now.size > 0) this.#read.set(key, now);
    else this.#read.delete(key);
    return now;
  }

  /** Knows nothing of a cluster any more, which is gone. */
  forget(cluster: ObjectName): void {
    this.#read.delete(keyOf(cluster));
  }

  async #logOf(pod: Pod, before: StartupLog | undefined): Promise<StartupLog> {
    if (before && before.kind !== 'unread') return before;
    try {
      return startupVerdict(await this.#errorsOf(pod));
    } catch (thrown) {
      const sinceMs = before?.sinceMs ?? this.#options.clock.wallMs();
      return {
        kind: 'unread',
        message: `its log cannot be read: ${errorMessage(thrown)}`,
        sinceMs,
      };
    }
  }

  async #errorsOf(pod: Pod): Promise<readonly string[]> {
    const { client, clock } = this.#options;
    const untilMs = (readinessSinceMs(pod) ?? Infinity) + readySlackMs;
    const aborter = new AbortController();
    const timer = clock.after(limitMs, () =>
      aborter.abort(new Error(`it did not end within ${limitMs} ms`)),
    );
    const { namespace = '', name } = pod.metadata;
    const query = { container: gitalyContainer, limitBytes, signal: aborter.signal };
    const errors: string[] = [];
    try {
      for await (const line of await client.podLog({ namespace, name }, query)) {
        const logged = readLoggedLine(line);
        if (logged && logged.atMs > untilMs) break;
        if (logged?.error !== undefined) errors.push(logged.error);
      }
      return errors;
    } finally {
      timer.cancel();
      aborter.abort();
    }
  }
}
