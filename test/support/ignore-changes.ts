import type { WatchEvents } from '../../src/proxy/store/control-store.ts';

/** For who watches a store and listens to nothing, or to some of what it tells. */
export const ignoreChanges: WatchEvents = {
  onChanged() {},
  onInvalidated() {},
  onRemoved() {},
  onAcknowledged() {},
  onReset() {},
  onDisconnected() {},
};
