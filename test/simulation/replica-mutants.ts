import type { Mutant } from './mutant.ts';

const changes = 'src/proxy/transactions/record-changes.ts';
const writeCall = 'src/proxy/relay/write-call.ts';
const settlement = 'src/proxy/relay/write-settlement.ts';
const lostVolume = 'src/proxy/transactions/lost-volume.ts';
const guard = 'src/proxy/replication/volume-guard.ts';
const judge = 'src/proxy/verification/judge.ts';
const replacement = 'src/proxy/replication/volume-replacement.ts';

/** Guards of what becomes of primaries, of replicas that are copied, removed or compared, and of volumes. */
export const replicaMutants: readonly Mutant[] = [
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
    name: 'a-copy-hears-within-the-lease-or-never',
    edits: [
      {
        file: 'src/proxy/transactions/copy-votes.ts',
        guard: 'if (isHeld) unconfirmed.add(node);',
        without: '',
      },
    ],
    violates: /I[1346]/,
    only: ['repair', 'move', 'more-replicas', 'fewer-then-more-replicas'],
    faults: ['p1-is-not-heard-8000', 'p2-is-not-heard-8000'],
  },
  {
    name: 'copies-end-with-the-lease',
    edits: [
      {
        file: 'src/proxy/transactions/copy-votes.ts',
        guard: 'const isHeld = lease.hasHeldLeaseSince(term);',
        without: 'const isHeld = true;',
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
