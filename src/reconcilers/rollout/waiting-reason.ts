import { assertNever } from '../../base/errors.ts';
import { listOf } from '../../base/list-of.ts';
import type { RolloutStorage } from './rollout-storage.ts';

/** Why a storage may not go now, though it should. */
export type WaitingReason =
  | {
      /** As many storages go as may at a time. */
      readonly kind: 'groupFull';
      readonly groupSize: number;
    }
  | {
      /** As many storages are disrupted, those that go now among them, as may be at a time. */
      readonly kind: 'maxUnavailable';
      readonly maxUnavailable: number;
      /** More than `maxUnavailable` if others than the operator disrupt storages. */
      readonly unavailable: number;
    }
  | {
      /** Storages of another zone are disrupted or go now. */
      readonly kind: 'otherZone';
      readonly zone: string;
      /** The other zones, sorted. */
      readonly busyZones: readonly string[];
    }
  | {
      /** Repositories would have too few available replicas in sync. */
      readonly kind: 'repositories';
      /** How many. */
      readonly repositories: number;
      readonly example: BlockingRepository;
    };

/** A repository that keeps a storage from going. */
export interface BlockingRepository {
  readonly virtualStorage: string;
  readonly relativePath: string;
  /** What would not be available of the storages that hold it in sync, the one that waits among them. */
  readonly missing: readonly RolloutStorage[];
  /** How many others hold it in sync and would be available. */
  readonly available: number;
  /** How many have to: its virtual storage's `minAvailableReplicas`. */
  readonly required: number;
}

/** Says it to a person, in one sentence without a full stop. */
export function describeWaiting(reason: WaitingReason): string {
  switch (reason.kind) {
    case 'groupFull':
      return `the group is full: ${reason.groupSize} may go together (groupSize)`;
    case 'maxUnavailable': {
      const { maxUnavailable, unavailable } = reason;
      const are = unavailable === 1 ? 'storage is' : 'storages are';
      return `${unavailable} ${are} disrupted or about to be, and no more than ${maxUnavailable} may be (maxUnavailable)`;
    }
    case 'otherZone': {
      const { zone, busyZones } = reason;
      const zones = `${busyZones.length === 1 ? 'zone' : 'zones'} ${listOf(busyZones)}`;
      return `it is in zone ${zone}, and storages of ${zones} are disrupted or about to be: one zone at a time`;
    }
    case 'repositories':
      return describeRepositories(reason.repositories, reason.example);
    default:
      return assertNever(reason);
  }
}

function describeRepositories(repositories: number, example: BlockingRepository): string {
  const { virtualStorage, relativePath, missing, available, required } = example;
  const are = repositories === 1 ? 'repository' : 'repositories';
  const least = required === 1 ? '1 replica' : `${required} replicas`;
  const names = listOf(missing.map(({ name }) => name));
  return (
    `${repositories} ${are} would not keep ${least} in sync and available (minAvailableReplicas): ` +
    `${relativePath} in ${virtualStorage}, for one, would have ${available} without ${names}`
  );
}
