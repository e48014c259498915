import type { Mutant } from './mutant.ts';
import { replicaMutants } from './replica-mutants.ts';
import { writeMutants } from './write-mutants.ts';

/** One row for each guard of the write protocol. */
export const mutants: readonly Mutant[] = [...writeMutants, ...replicaMutants];
