import type { ObservedStorage, RollObservation } from './roll-observation.ts';
import { storageState, type StorageState } from './storage-state.ts';

/** A storage and where it is in its update. */
export interface JudgedStorage extends ObservedStorage {
  readonly virtualStorage: string;
  readonly state: StorageState;
}

/** Every storage of the cluster, judged. */
export function judgeStorages(observation: RollObservation): readonly JudgedStorage[] {
  return observation.virtualStorages.flatMap(({ name: virtualStorage, storages }) =>
    storages.map((storage) => ({
      ...storage,
      virtualStorage,
      state: storageState(storage, observation),
    })),
  );
}
