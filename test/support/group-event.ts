import type { RevisionQuality } from './roll-event.ts';

/** Something that happens in a `GroupWorld`; `storage` is any number. */
export type GroupEvent =
  | { readonly kind: 'newRevision'; readonly quality: RevisionQuality }
  | { readonly kind: 'groupSize'; readonly size: number }
  | { readonly kind: 'paused' | 'listsFail' | 'watchStalls'; readonly isOn: boolean }
  | { readonly kind: 'othersDrain'; readonly storage: number; readonly isOn: boolean }
  | { readonly kind: 'timePasses'; readonly ms: number }
  /** `podCrashes`: and comes back; `dies`: clients get no answer, while its pod stays ready. */
  | { readonly kind: 'podCrashes' | 'dies' | 'callBegins'; readonly storage: number }
  /** A repository is written to: replicas that cannot be reached fall behind. */
  | { readonly kind: 'written'; readonly repository: number }
  /** A write leaves one replica behind. */
  | { readonly kind: 'fallsBehind'; readonly storage: number; readonly repository: number }
  /** A step of Kubernetes and the health checks, of the proxies, of clients, and of repairs. */
  | { readonly kind: 'goesOn'; readonly storage: number }
  /** An operator looks, `meanwhile` something dies as it asks where repositories are, and it dies after `done` actions. */
  | { readonly kind: 'operatorActs'; readonly done: number; readonly meanwhile?: GroupEvent };
