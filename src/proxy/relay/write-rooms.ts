import type { CallRoom } from '../upstream/storage-calls.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import type { CallOpener } from '../upstream/waiting-call.ts';

/**
 * Room for a write on each of its storages, taken before any of them gets it: one that got it later than
 * the others would hold up their votes, and in the end fall behind.
 */
export class WriteRooms {
  readonly #virtualStorage: VirtualStorage;
  readonly #rooms = new Map<string, CallRoom>();

  constructor(virtualStorage: VirtualStorage) {
    this.#virtualStorage = virtualStorage;
  }

  /** Whether each of the storages takes a call at once, so that there is nothing to wait for. */
  areFree(storages: readonly string[]): boolean {
    return storages.every((storage) => this.#virtualStorage.calls(storage).hasRoom);
  }

  /**
   * Waits for room on one storage after the other, in the order of their names: of two writes none ever
   * holds what the other waits for. A storage without room in time is left out.
   *
   * @param isWanted whether the write is still to be carried out
   */
  async take(storages: readonly string[], isWanted: () => boolean): Promise<void> {
    for (const storage of storages.toSorted()) {
      if (!isWanted()) return;
      const room = await this.#virtualStorage.calls(storage).takeRoom(isWanted);
      if (room !== undefined) this.#rooms.set(storage, room);
    }
  }

  /** Where the call to a storage begins: in the room that was taken for it, or behind all others. */
  use(storage: string): CallOpener {
    const room = this.#rooms.get(storage);
    this.#rooms.delete(storage);
    return room ?? this.#virtualStorage.calls(storage);
  }

  /** Gives back what was not used. */
  leave(): void {
    for (const room of this.#rooms.values()) room.leave();
    this.#rooms.clear();
  }
}
