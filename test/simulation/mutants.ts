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

const voting = 'src/proxy/transactions/voting.ts';
const changes = 'src/proxy/transactions/record-changes.ts';
const outcome = 'src/proxy/transactions/outcome.ts';
const writeCall = 'src/proxy/relay/write-call.ts';
const settlement = 'src/proxy/relay/write-settlement.ts';
const membership = 'src/proxy/view/membership.ts';
const lostVolume = 'src/proxy/transactions/lost-volume.ts';
const guard = 'src/proxy/replication/volume-guard.ts';
const judge = 'src/proxy/verification/judge.ts';
const replacement = 'src/proxy/replication/volume-replacement.ts';

/** One row for each guard. */
export const mutants: readonly Mutant[] = [
  {
    name: 'commit-only-with-a-durable-intent',
    edits: [
      {
        file: voting,
        guard: "outstanding.length === 0 && state.intent === 'durable'",
        without: 'outstanding.length === 0',
      },
    ],
    violates: /I1/,
    only: ['voting', 'push'],
    faults: ['p1-crashes'],
  },
  {
    name: 'commit-only-equal-votes',
    edits: [
      { file: voting, guard: 'a.phase === b.phase && a.hash === b.hash', without: 'true' },
      { file: outcome, guard: 'ballot.hash === other.hash &&', without: '' },
    ],
    violates: /I[236]/,
    only: ['voting', 'push'],
    faults: ['a-differs', 'b-differs', 'c-differs'],
  },
  {
    name: 'all-voters-are-part-of-the-decision',
    edits: [
      {
        file: voting,
        guard: "outstanding.length === 0 && state.intent === 'durable'",
        without: "state.intent === 'durable'",
      },
      {
        file: voting,
        guard: "state.voters.includes(name) ? 'abort' : 'commit'",
        without: "'commit'",
      },
    ],
    violates: /I[36]/,
    only: ['same-reference'],
    faults: ['a-fails', 'p1-b-stall-shortly', 'p1-a-stall-shortly'],
  },
  {
    name: 'an-intent-is-of-the-epoch',
    edits: [{ file: changes, guard: 'record.epoch !== intent.epoch', without: 'false' }],
    violates: /I1/,
    only: ['same-reference', 'push'],
    faults: ['a-is-cut-off', 'a-crashes', 'p1-a-stall-shortly'],
  },
  {
    name: 'the-primary-that-a-write-began-with-votes',
    edits: [{ file: changes, guard: '!voters.includes(options.primary)', without: 'false' }],
    violates: /I5/,
    only: ['same-reference', 'push'],
    faults: ['a-is-cut-off', 'a-crashes', 'p1-a-stall-shortly'],
  },
  {
    name: 'commit-only-while-the-lease-is-held',
    edits: [
      {
        file: writeCall,
        guard: 'this.#options.context.membership.hasHeldLeaseSince(this.#leaseTerm)',
        without: 'true',
      },
    ],
    violates: /I1/,
    only: ['voting', 'push'],
    faults: ['p1-pauses-4000'],
  },
  {
    name: 'commit-only-in-the-term-of-the-intent',
    edits: [
      {
        file: membership,
        guard: 'this.holdsLease && this.#leaseTerm === term',
        without: 'this.holdsLease',
      },
    ],
    violates: /I1/,
    only: ['slow-push'],
    faults: ['p1-pauses-4000'],
  },
  {
    name: 'the-owner-stops-before-its-lease-ends',
    edits: [{ file: membership, guard: 'this.#leaseMs * 0.8', without: 'this.#leaseMs * 2' }],
    violates: /I1|I3/,
    only: ['voting', 'push', 'same-reference'],
    faults: ['p1-pauses-4000', 'p2-pauses-4000'],
  },
  {
    name: 'what-does-not-vote-begins-only-while-the-lease-is-held',
    edits: [
      {
        file: writeCall,
        guard: "intent === 'beforeDispatch' && !this.#mayCommit()",
        without: 'false',
      },
    ],
    violates: /I[36]/,
    only: ['other'],
    faults: ['p1-pauses-4000'],
  },
  {
    name: 'only-the-writes-of-the-dead-are-settled',
    edits: [
      {
        file: membership,
        guard: 'owner !== this.#options.owner && !this.#live.has(owner)',
        without: 'owner !== this.#options.owner',
      },
    ],
    violates: /I[136]/,
    only: ['same-reference'],
    faults: ['p1-b-stall-shortly', 'p1-a-stall-shortly'],
  },
  {
    name: 'enough-replicas-hold-what-is-acknowledged',
    edits: [
      {
        file: settlement,
        guard: 'settled.held >= minInSyncReplicas',
        without: 'settled.held >= 0',
      },
    ],
    violates: /I2/,
    only: ['two-replicas', 'other'],
    faults: ['a-fails', 'b-fails'],
  },
  {
    name: 'the-client-hears-after-the-record',
    edits: [
      {
        file: writeCall,
        guard: 'const settlement = await settle(',
        without: `if (outcome.kind === 'committed') this.#answer.finishWith(outcome.reference);
    const settlement = await settle(`,
      },
    ],
    violates: /I[26]/,
    only: ['voting', 'two-replicas'],
    faults: ['a-fails', 'b-fails'],
  },
  {
    name: 'who-does-not-hold-a-write-is-behind',
    edits: [
      {
        file: changes,
        guard: 'isInSync(record, replica.storage) && holders.includes(replica.storage)',
        without: 'isInSync(record, replica.storage)',
      },
    ],
    violates: /I[36]/,
    only: ['voting'],
    faults: ['a-fails', 'b-fails'],
  },
  {
    name: 'a-holder-has-ended-alike',
    edits: [
      { file: outcome, guard: 'node.end.code === model.end.code &&', without: '' },
      { file: outcome, guard: 'node.ballots.length === model.ballots.length &&', without: '' },
    ],
    violates: /I[236]/,
    only: ['voting'],
    faults: ['a-fails', 'b-fails'],
  },
  {
    name: 'contents-are-compared-where-nobody-voted',
    edits: [
      {
        file: settlement,
        guard: 'expected !== undefined && checksums[index] === expected',
        without: 'true',
      },
    ],
    violates: /I[236]/,
    only: ['other'],
    faults: ['b-fails', 'b-differs'],
  },
  {
    name: 'contents-are-compared-when-nothing-is-in-flight',
    edits: [
      {
        file: 'src/proxy/transactions/barrier-changes.ts',
        guard: 'intent.transaction === transaction || intent.hasEnded === true',
        without: 'true',
      },
    ],
    violates: /I[236]/,
    only: ['other-beside-voting'],
    faults: ['a-hangs-a-while', 'b-hangs-a-while'],
  },
  {
    name: 'those-that-stay-in-sync-after-a-death-are-equal',
    edits: [
      {
        file: changes,
        guard: 'filter((storage) => equal.includes(storage))',
        without: 'filter(() => true)',
      },
    ],
    violates: /I[36]/,
    only: ['voting', 'push'],
    faults: ['p1-crashes'],
  },
  {
    name: 'no-proxy-reads-from-who-has-fallen-behind',
    edits: [
      {
        file: settlement,
        guard: 'await context.view.departuresKnown(outcome.record)',
        without: '',
      },
    ],
    violates: /I4/,
    only: ['one-is-enough', 'voting'],
    faults: ['b-fails', 'p2-has-a-late-store'],
  },
  {
    name: 'a-proxy-that-stood-still-asks-before-it-reads',
    edits: [
      {
        file: 'src/proxy/relay/read-record.ts',
        guard: 'membership.holdsLease || !view.connected ?',
        without: 'true ?',
      },
    ],
    violates: /I4/,
    only: ['one-is-enough', 'voting'],
    faults: ['p2-pauses-4000', 'b-fails', 'c-fails'],
  },
  {
    name: 'no-proxy-reads-from-who-leaves',
    edits: [
      {
        file: 'src/proxy/replication/leaving.ts',
        guard: 'await view.departuresKnown(claimed.record)',
        without: '',
      },
    ],
    violates: /I4/,
    only: ['fewer-replicas'],
    faults: ['p1-pauses-1000', 'p2-pauses-1000', 'p1-has-a-late-store'],
  },
  {
    name: 'a-removal-that-comes-late-is-refused',
    edits: [
      {
        file: 'src/proxy/replication/leaving.ts',
        guard: '.remove(record.replicaPath, transaction)',
        without: '.remove(record.replicaPath)',
      },
    ],
    violates: /I3|I6/,
    only: ['fewer-then-more-replicas'],
    faults: ['p2-loses-store-long', 'p2-pauses-1000'],
  },
  {
    name: 'a-primary-that-is-behind-is-replaced',
    edits: [
      {
        file: changes,
        guard: 'remaining.includes(record.primary) ? settled : withPrimary(settled, successor)',
        without: 'settled',
      },
    ],
    violates: /I5/,
    only: ['voting', 'push'],
    faults: ['a-crashes', 'a-fails'],
  },
  {
    name: 'a-primary-moves-only-to-who-is-in-sync',
    edits: [{ file: changes, guard: '!inSyncVoters(record).includes(to)', without: 'false' }],
    violates: /I5/,
    only: ['same-reference', 'other-beside-voting'],
    faults: ['p1-a-cut', 'b-fails', 'p1-has-a-late-store'],
  },
  {
    name: 'copies-end-with-the-lease',
    edits: [
      {
        file: 'src/proxy/transactions/copy-votes.ts',
        guard: "lease.hasHeldLeaseSince(term) ? 'commit' : 'abort'",
        without: "'commit'",
      },
    ],
    violates: /I1/,
    only: ['repair'],
    faults: ['p1-pauses-4000', 'p2-pauses-4000'],
  },
  {
    name: 'a-copy-counts-only-if-its-source-is-in-sync',
    edits: [{ file: changes, guard: '!inSyncVoters(record).includes(source)', without: 'false' }],
    violates: /I[36]/,
    only: ['repair'],
    faults: ['a-fails', 'b-fails', 'a-hangs-shortly', 'b-hangs-shortly'],
  },
  {
    name: 'a-loss-is-accepted-only-if-it-has-to-be',
    edits: [
      {
        file: changes,
        guard: "inSync.some((voter) => holders.has(voter)) ? 'notNeeded' : undefined",
        without: 'undefined',
      },
    ],
    violates: /I6/,
    only: ['needless-loss'],
    faults: ['p1-crashes'],
  },
  {
    name: 'an-intent-that-nobody-looks-after-is-given-up',
    edits: [
      {
        file: 'src/proxy/replication/repair-loop.ts',
        guard:
          "if (orphan !== undefined) return { kind: 'giveUp', transaction: orphan.transaction };",
        without: '',
      },
    ],
    violates: /does not recover/,
    only: ['voting'],
    faults: ['p1-loses-an-answer'],
  },
  {
    name: 'a-creation-that-failed-is-taken-back',
    edits: [
      { file: settlement, guard: 'if (!isCreation(options)) void', without: 'void' },
      {
        file: writeCall,
        guard: 'if (this.#hasFailedToCreate(outcome)) return failedCreation;',
        without: '',
      },
    ],
    violates: /does not recover|in the end/,
    only: ['creation'],
    faults: ['a-fails', 'b-fails', 'c-fails', 'a-crashes'],
  },
  {
    name: 'a-storage-is-used-only-with-the-volume-of-the-records',
    edits: [
      {
        file: guard,
        guard: 'return this.#wrong(key, known, otherShown(step.identity, known.kept));',
        without: "return { kind: 'right', isCertain: false };",
      },
    ],
    violates: /I[346]/,
    only: ['lost-volume', 'misplaced-volume'],
  },
  {
    name: 'a-volume-is-replaced-only-when-nothing-is-left-there',
    edits: [
      {
        file: replacement,
        guard: 'if (look.kept > 0 && options.keepsTheRest !== true) {',
        without: 'if (options.signal.aborted) {',
      },
    ],
    violates: /I[36]/,
    only: ['lost-volume', 'repair', 'one-is-enough'],
    faults: ['a-loses-its-volume', 'b-loses-its-volume', 'b-stays-away', 'c-stays-away'],
  },
  {
    name: 'a-volume-is-replaced-only-when-every-proxy-has-heard',
    edits: [
      {
        file: replacement,
        guard: 'if (look.givenUp > 0 || !(await allHaveHeard(look.example, options))) continue;',
        without: 'if (look.givenUp > 0) continue;',
      },
    ],
    violates: /I4/,
    only: ['lost-volume', 'misplaced-volume'],
  },
  {
    name: 'a-volume-that-came-back-calls-its-replacement-off',
    edits: [
      {
        file: lostVolume,
        guard: 'if (recorded.replacement === undefined) return',
        without: 'return',
      },
    ],
    violates: /I[346]/,
    only: ['misplaced-volume'],
    faults: ['p1-pauses-1000', 'p1-pauses-4000', 'p2-pauses-4000', 'p1-loses-store'],
  },
  {
    name: 'who-silently-lost-a-repository-falls-behind',
    edits: [
      {
        file: judge,
        guard: 'seen.kind === kind ? [storage] : []',
        without: "kind === 'unknown' && seen.kind === kind ? [storage] : []",
      },
    ],
    violates: /does not recover/,
    only: ['lost-silently'],
    faults: ['p1-crashes'],
  },
  {
    name: 'nobody-is-chosen-without-a-majority',
    edits: [
      {
        file: judge,
        guard: 'different.length > 0 && largest.length * 2 <= candidates',
        without: 'false',
      },
    ],
    violates: /I6/,
    only: ['no-majority'],
    faults: ['p1-crashes', 'p1-pauses-1000'],
  },
];
