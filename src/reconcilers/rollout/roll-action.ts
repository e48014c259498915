import type { JudgedStorage } from './judged-storage.ts';

/** What to do next. */
export type RollAction =
  | (StorageAction & { readonly kind: 'requestDrain' })
  | (StorageAction & {
      readonly kind: 'cancelDrain';
      /** The storage's pod, if there is one. Its eviction is refused first, whatever the view of it says. */
      readonly uid: string | undefined;
    })
  | (PodAction & {
      readonly kind: 'deletePod';
      /** Whether clients lose calls: the drain deadline has passed. */
      readonly cutsCalls: boolean;
    })
  | (PodAction & {
      readonly kind: 'allowEviction';
      /** Whether clients lose calls when it is evicted: the drain deadline has passed. */
      readonly cutsCalls: boolean;
    })
  | (PodAction & { readonly kind: 'refuseEviction' })
  | (StorageAction & {
      /** So that no pod comes back to it. Before the pod of the storage goes. */
      readonly kind: 'cordonNode';
      readonly node: string;
      /** For which maintenance: see `nodeMark`. */
      readonly mark: string;
    });

interface StorageAction {
  /** Empty for the managed database. */
  readonly virtualStorage: string;
  /** Also its pod's name. */
  readonly storage: string;
  /** Why, for a person. */
  readonly reason: string;
}

interface PodAction extends StorageAction {
  readonly uid: string;
}

/** Which storage an action is about. */
export function placeOf({
  virtualStorage,
  name,
}: JudgedStorage): Pick<RollAction, 'virtualStorage' | 'storage'> {
  return { virtualStorage, storage: name };
}
