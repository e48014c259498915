import { assertNever } from '../../base/errors.ts';
import type { RepositoryRecord } from '../routing/repository-record.ts';
import type { RepositoryKey, WatchEvents } from './control-store.ts';

/** What a store tells everyone who watches. See {@link WatchEvents} for the meaning of each kind. */
export type Announcement =
  | { readonly kind: 'changed'; readonly record: RepositoryRecord }
  | { readonly kind: 'invalidated'; readonly id: bigint; readonly key: RepositoryKey }
  | {
      readonly kind: 'removed';
      readonly id: bigint;
      readonly key: RepositoryKey;
      readonly version: bigint;
    }
  | {
      readonly kind: 'acknowledged';
      readonly owner: string;
      readonly id: bigint;
      readonly version: bigint;
    };

/** Hands an announcement to one watcher. */
export function deliver(announcement: Announcement, watcher: WatchEvents): void {
  switch (announcement.kind) {
    case 'changed':
      watcher.onChanged(announcement.record);
      return;
    case 'invalidated':
      watcher.onInvalidated(announcement.id, announcement.key);
      return;
    case 'removed':
      watcher.onRemoved(announcement.id, announcement.key, announcement.version);
      return;
    case 'acknowledged':
      watcher.onAcknowledged(announcement.owner, announcement.id, announcement.version);
      return;
    default:
      assertNever(announcement);
  }
}
