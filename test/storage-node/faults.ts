import type { CallContext } from './grpc/server-call.ts';

/** Where a test may interfere. */
export interface FaultPoints {
  /** Called when a handler is about to run. May wait, throw, or never return. */
  beforeCall(call: CallContext): Promise<void>;
}

/** No faults. */
export const noFaults: FaultPoints = {
  async beforeCall() {},
};
