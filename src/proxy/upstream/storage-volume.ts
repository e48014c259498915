/** Whether a storage may be used, by the volume that it shows. */
export type VolumeVerdict =
  /** `isCertain`: this was compared with the store now, not with what was known of it. */
  | { readonly kind: 'right'; readonly isCertain: boolean }
  /** For people: what has happened, and what to do next. */
  | { readonly kind: 'wrong'; readonly reason: string };

/** Compares the volume of a storage with the one that records speak of. An empty id: it shows none. */
export type CheckVolume = (filesystemId: string) => Promise<VolumeVerdict>;

/** The storage may not be used, for its volume. The message is for people. */
export class WrongVolumeError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'WrongVolumeError';
  }
}

/**
 * The comparison of one storage's volume. A volume can change only while its Gitaly is down, so it is
 * made on each new connection, before the storage gets any call there. One that could not be made
 * with the store is made again until it is.
 */
export class StorageVolume {
  readonly #check: CheckVolume;
  /** The connection on which the volume was found to be right. */
  #settled: { readonly connection: object; readonly isCertain: boolean } | undefined;

  constructor(check: CheckVolume) {
    this.#check = check;
  }

  /**
   * Resolves if the storage may be used. Does nothing if that is known of `connection`.
   *
   * Rejects with a {@link WrongVolumeError} if it may not, and as `read` does.
   *
   * @param read asks the storage for its filesystem id
   */
  async settle(connection: object, read: () => Promise<string>): Promise<void> {
    if (this.#settled?.connection === connection && this.#settled.isCertain) return;
    const verdict = await this.#check(await read());
    if (verdict.kind === 'wrong') {
      this.#settled = undefined;
      throw new WrongVolumeError(verdict.reason);
    }
    this.#settled = { connection, isCertain: verdict.isCertain };
  }
}
