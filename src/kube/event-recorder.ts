import { createHash } from 'node:crypto';

import type { Clock } from '../base/clock.ts';
import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { EventBudget } from './event-budget.ts';
import type { KubeClient } from './kube-client.ts';
import { kubeMicroTime } from '../api/kube-time.ts';
import { resourceTypes, type KubeEvent, type ObjectReference } from './resource-types.ts';

/** What an event says. */
export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** One word, for machines. */
  readonly reason: string;
  /** What we were about when it happened, one word. */
  readonly action: string;
  /** For a person; cut after 1024 characters. */
  readonly note: string;
}

/** Tells people what happened to an object. */
export interface EventRecorder {
  /** Never rejects: an event that cannot be written is logged and forgotten. */
  record(regarding: ObjectReference, text: EventText): Promise<void>;
}

/** What an event recorder needs. */
export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create' | 'merge'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The name of this replica. */
  readonly instance: string;
}

const controller = 'gitaly.dev/gitaly-operator';
/** Two equal events within so long become a series. The API server forgets events after an hour. */
const seriesMs = 600_000;
const maxSeries = 1000;
const maxNote = 1024;

/**
 * A recorder to events.k8s.io/v1. An event that is equal to one of the last ten minutes becomes a
 * series with a count, and an object that causes too many is not heard for a while.
 */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, logger, instance } = options;
  const budget = new EventBudget();
  const recent = new Map<string, { readonly name: string; count: number; atMs: number }>();

  function eventOf(regarding: ObjectReference, text: EventText, name: string): KubeEvent {
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: regarding.namespace },
      eventTime: kubeMicroTime(clock.wallMs()),
      reportingController: controller,
      reportingInstance: instance,
      regarding,
      ...text,
      note: text.note.slice(0, maxNote),
    };
  }

  function forgetOld(nowMs: number): void {
    budget.prune(nowMs);
    for (const [key, { atMs }] of recent) {
      if (nowMs - atMs > seriesMs || recent.size > maxSeries) recent.delete(key);
    }
  }

  async function write(regarding: ObjectReference, text: EventText): Promise<void> {
    const nowMs = clock.monotonicMs();
    forgetOld(nowMs);
    if (!budget.spend(regarding.uid, nowMs)) return;
    const key = JSON.stringify([regarding.uid, text]);
    const before = recent.get(key);
    if (!before) {
      const name = `${regarding.name}.${hash(`${key}${clock.wallMs()}${instance}`)}`;
      recent.set(key, { name, count: 1, atMs: nowMs });
      await client.create(eventOf(regarding, text, name));
      return;
    }
    before.count += 1;
    before.atMs = nowMs;
    const series = { count: before.count, lastObservedTime: kubeMicroTime(clock.wallMs()) };
    const name = { namespace: regarding.namespace, name: before.name };
    await client.merge(resourceTypes.event, name, { series });
  }

  return {
    async record(regarding, text) {
      try {
        await write(regarding, text);
      } catch (thrown) {
        logger.warn(
          { reason: errorMessage(thrown), event: text.reason },
          'an event was not written',
        );
      }
    },
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
