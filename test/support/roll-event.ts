/** What becomes of a revision's pods: they get ready, never do, or do with errors in their logs. */
export type RevisionQuality = 'good' | 'failing' | 'flawed';

/** Something that happens in a `RollWorld`. */
export type RollEvent =
  | { readonly kind: 'newRevision'; readonly quality: RevisionQuality }
  | { readonly kind: 'podCrashes'; readonly storage: number }
  | { readonly kind: 'fallsBehind'; readonly storage: number }
  | { readonly kind: 'callBegins'; readonly storage: number }
  | { readonly kind: 'othersDrain'; readonly storage: number; readonly isOn: boolean }
  | { readonly kind: 'proxiesSilent'; readonly isOn: boolean }
  | { readonly kind: 'proxyAway'; readonly isOn: boolean }
  | { readonly kind: 'paused'; readonly isOn: boolean }
  | { readonly kind: 'nodeLeaves'; readonly storage: number; readonly isOn: boolean }
  /** Somebody tries to evict the pod. */
  | { readonly kind: 'evictorTries'; readonly storage: number }
  | { readonly kind: 'timePasses'; readonly ms: number }
  /** A step of the StatefulSet's controller, the kubelet, or the health checks. */
  | { readonly kind: 'kubernetesActs'; readonly storage: number }
  | { readonly kind: 'proxiesTakeNote'; readonly storage: number }
  | { readonly kind: 'callsEnd'; readonly storage: number }
  | { readonly kind: 'repaired'; readonly storage: number }
  /** All four of them. */
  | { readonly kind: 'allGoesWell'; readonly storage: number }
  /** An operator looks, and does so many of its actions before it dies. */
  | { readonly kind: 'operatorActs'; readonly done: number }
  /** The operator's watch of pods stands still from now on. */
  | { readonly kind: 'watchStalls' }
  | { readonly kind: 'watchGoesOn' };
