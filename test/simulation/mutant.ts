import type { Edit } from './bundle.ts';

/** A guard of the write protocol, and what goes wrong without it. */
export interface Mutant {
  /** What the guard promises. */
  readonly name: string;
  /** Takes it out of the product's code. */
  readonly edits: readonly Edit[];
  /** The invariant that is violated then, or how it does not recover. */
  readonly violates: RegExp;
  /** Scenarios in which that shows soonest. Default: all. */
  readonly only?: readonly string[];
  /** Faults with which that shows soonest. Default: all. */
  readonly faults?: readonly string[];
}
