import { systemClock, type Clock } from '../../src/base/clock.ts';

const aheadMs = 60_000;

/**
 * The system's clock, with a wall time that is a minute ahead. grpc-js holds the deadline of a call, which we tell it
 * as a wall time, against the machine's: so each call may take a minute longer, as on a machine that does much else.
 */
export const patientClock: Clock = {
  ...systemClock,
  wallMs: () => systemClock.wallMs() + aheadMs,
};
