/** Something that happens in a `MaintenanceWorld`; numbers are of storages, nodes or maintenances, and may be any. */
export type MaintenanceEvent =
  | { readonly kind: 'timePasses'; readonly ms: number }
  /** The pod of a storage, its proxies and its replicas take their next steps. */
  | { readonly kind: 'goesOn'; readonly storage: number }
  | { readonly kind: 'callBegins' | 'crashes'; readonly storage: number }
  /** Whoever maintains nodes boots one that is reported as cleared, or uncordons it, as the maintenance says. */
  | { readonly kind: 'maintained'; readonly node: number }
  | { readonly kind: 'cordonedByOthers'; readonly node: number; readonly isOn: boolean }
  | { readonly kind: 'paused'; readonly maintenance: number; readonly isOn: boolean }
  | { readonly kind: 'deleted'; readonly maintenance: number }
  /** The operator dies after so many of what it does once it has written statuses. */
  | { readonly kind: 'operatorActs'; readonly done: number };
