/** Which storages may have one more repair now: bounds, and waits after failures. */
export interface RepairRoom {
  /** Both: nothing has failed there that has to wait, and one more may be copied there. */
  hasRoomTo(target: string): boolean;
  hasRoomFrom(source: string): boolean;
  /** Whether a repair has failed there, and waits for its next attempt. */
  hasFailedOn(target: string): boolean;
}

/** Nothing has failed, and nothing is being copied. */
export const anyRoom: RepairRoom = {
  hasRoomTo: () => true,
  hasRoomFrom: () => true,
  hasFailedOn: () => false,
};
