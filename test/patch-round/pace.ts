/**
 * The scale of time. All of it is scaled alike: a minute of the machine is `speed` minutes of the round, for what is
 * simulated and for what is real. What is simulated is made so much faster; what is real, such as the operator and
 * the control plane, is not, so that its time counts for `speed` times what it took.
 */
export class Pace {
  readonly speed: number;

  /** @param speed 1: every minute is a real one */
  constructor(speed: number) {
    if (!(speed >= 1)) throw new Error(`a pace is a number of 1 or more, not ${speed}`);
    this.speed = speed;
  }

  /** How long the machine takes for so many seconds of the round, in milliseconds. */
  realMs(roundSeconds: number): number {
    return (roundSeconds * 1000) / this.speed;
  }

  /** How many minutes of the round so many milliseconds of the machine are. */
  roundMinutes(realMs: number): number {
    return (realMs * this.speed) / 60_000;
  }
}
