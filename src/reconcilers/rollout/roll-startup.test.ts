import { describe, expect, test } from '@jest/globals';

import {
  drainBy,
  rollNowMs,
  rollObservation,
  rollPolicy,
  storageOf,
} from '../../../test/support/roll-observation.ts';
import type { ObservedStorage, RollObservation } from './roll-observation.ts';
import { planRoll } from './roll-plan.ts';
import type { StartupLog } from './startup-log.ts';

const errors: StartupLog = { kind: 'errors', message: 'its log has an error: no hooks' };
const unread = (agoMs: number): StartupLog => ({
  kind: 'unread',
  message: 'its log cannot be read: 500',
  sinceMs: rollNowMs - agoMs,
});

/** A storage that is left outdated, and one whose new pod is ready and in sync. */
function planWith(startup: StartupLog | undefined, rest: Partial<RollObservation> = {}) {
  const storages = [
    storageOf('a', { outdated: ['image'] }),
    storageOf('b', { startup }, { ...drainBy() }),
  ];
  return planned(storages, rest);
}

function planned(storages: readonly ObservedStorage[], rest: Partial<RollObservation> = {}) {
  const { actions, progress } = planRoll(rollObservation(storages, rest));
  return {
    actions: actions.map(({ kind, storage }) => `${kind} ${storage}`),
    kind: progress.kind,
    message: 'message' in progress ? progress.message : '',
  };
}

describe('a new pod that is ready and in sync', () => {
  test('gets its clients back if its log has no errors from its start', () => {
    expect(planWith({ kind: 'clean' }).actions).toEqual(['cancelDrain b']);
  });

  test.each([
    ['nobody has read its log', undefined, /b has its log looked at.*: nobody has read it yet$/],
    ['its log cannot be read for a while', unread(599_999), /b has its log looked at.*: 500$/],
  ])('waits while %s', (_what, startup, message) => {
    const plan = planWith(startup);
    expect(plan).toMatchObject({ actions: [], kind: 'rolling' });
    expect(plan.message).toMatch(message);
  });

  test.each([
    ['has errors', errors, /its log has an error: no hooks/],
    ['cannot be read within the limit for new pods', unread(600_000), /cannot be read: 500/],
  ])('halts the roll if its log %s, with what to do', (_what, startup, message) => {
    const plan = planWith(startup);
    expect(plan).toMatchObject({ actions: [], kind: 'halted' });
    expect(plan.message).toMatch(message);
    expect(plan.message).toMatch(/Correct the spec: .*set spec\.update\.startupErrors to Ignore$/);
  });

  test.each([undefined, errors, unread(600_000)])('is not looked at where that is off', (log) => {
    const rest = { policy: { ...rollPolicy, checksStartup: false } };
    expect(planWith(log, rest).actions).toEqual(['cancelDrain b']);
  });

  test('keeps its drain also if its node is about to go', () => {
    const leaving = { outdated: ['node'], leaving: 'node n-1 is cordoned' } as const;
    const storages = [storageOf('a'), storageOf('b', { ...leaving, startup: errors }, drainBy())];
    expect(planned(storages)).toMatchObject({ actions: [], kind: 'halted' });
  });

  test('is the first that a correction is applied to, and keeps its drain', () => {
    const outdated = { outdated: ['image'] } as const;
    const storages = [
      storageOf('a', outdated),
      storageOf('b', { ...outdated, startup: errors }, { ...drainBy() }),
    ];
    expect(planned(storages).actions).toEqual(['deletePod b']);
  });
});
