import type { RepositoryRecord } from '../routing/repository-record.ts';

/**
 * Every change that a proxy makes to a repository's record, as pure functions from the record that
 * the store has to the one that it should have. The shell around them applies the result by
 * compare-and-swap and starts over when somebody else was faster.
 */
export type RecordChange<Refusal> =
  | { readonly kind: 'change'; readonly next: RepositoryRecord }
  | { readonly kind: 'refuse'; readonly reason: Refusal };
