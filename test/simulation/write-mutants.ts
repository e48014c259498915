import type { Mutant } from './mutant.ts';

const voting = 'src/proxy/transactions/voting.ts';
const changes = 'src/proxy/transactions/record-changes.ts';
const outcome = 'src/proxy/transactions/outcome.ts';
const writeCall = 'src/proxy/relay/write-call.ts';
const settlement = 'src/proxy/relay/write-settlement.ts';
const membership = 'src/proxy/view/membership.ts';

/** Guards of how writes are decided, recorded, settled and read. */
export const writeMutants: readonly Mutant[] = [
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
    name: 'a-decision-arrives-within-the-lease-or-never',
    edits: [{ file: membership, guard: 'onLapse?.(', without: 'void (' }],
    violates: /I[36]/,
    only: ['same-reference', 'voting', 'push', 'move'],
    faults: ['p1-is-not-heard-8000', 'p2-is-not-heard-8000'],
  },
  {
    name: 'what-does-not-vote-arrives-within-the-lease-or-never',
    edits: [
      {
        file: 'src/proxy/transactions/active-write.ts',
        guard: 'wasToldLast || !this.#options.changesNeedVotes',
        without: 'wasToldLast',
      },
    ],
    violates: /I[36]/,
    only: ['other'],
    faults: ['p1-is-not-heard-8000', 'p2-is-not-heard-8000'],
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
];
