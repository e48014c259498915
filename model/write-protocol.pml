/*
 * The write protocol (docs/architecture.md, "A write", "Settlement", "Repair"), small enough to be
 * checked in every state that it can reach: one repository on three storages, two proxies with one
 * write each, and whatever may fail, as often as it may. README.md tells how it is run, what it
 * leaves out and why that is right.
 *
 * One step is what happens at once in the product: one change of the record, by compare-and-swap; one
 * storage that changes its references; one comparison of contents. Anything may happen in between.
 * There is no time: a limit may run out, a connection break and a process stand still at any moment
 * and for as long as it likes, so that most failures are steps that just do not come.
 */

/* ---- What is checked: which configuration, with which guard removed ---------------------------- */

#ifndef SAME_REFERENCE    /* 1: both writes set the same reference. 0: each sets one of its own. */
#define SAME_REFERENCE 0
#endif
#ifndef FAILOVERS         /* 1: the primary may move at any time. */
#define FAILOVERS 0
#endif
#ifndef READERS           /* 1: another proxy reads from what it knows, maybe late (I4). */
#define READERS 0
#endif
#ifndef REPAIRERS         /* How many proxies repair replicas: 0 to 2. */
#define REPAIRERS 0
#endif
#ifndef WRITES            /* 1 or 2. */
#define WRITES 2
#endif
#ifndef IN_SYNC_AT_FIRST  /* Storages: 7 is all, 3 all but the last. */
#define IN_SYNC_AT_FIRST 7
#endif
#ifndef REMOVED           /* A guard that is left out, to see that it is needed. */
#define REMOVED 0
#endif

/* The guards. The code has each of them; the file is named where it stands. */
#define INTENT 1          /* voting.ts: nothing is decided before the intent is durable */
#define OWN_PRIMARY 2     /* takeIntent: refused if the write's own primary is behind */
#define LEASE 3           /* active-write.ts: a proxy that may have lost its lease commits nothing */
#define ALL_VOTED 4       /* voting.ts: every voter has voted or ended before the decision */
#define SWAP 5            /* view.change: the record is still as it was when the change was made up */
#define FINISHED 6        /* outcome.ts: only who finished holds the write, not all that were told */
#define IN_SYNC 7         /* settleWrite: a holder that has fallen behind stays behind */
#define NOT_SETTLED 8     /* settleWrite: the intent is still there */
#define ENOUGH 9          /* write-settlement.ts: OK only if minInSyncReplicas hold it */
#define IN_DOUBT 10       /* outcome.ts: one that nobody can vouch for keeps its intent */
#define NEW_PRIMARY 11    /* settleWrite: a primary that falls behind is replaced */
#define DEPARTURES 12     /* write-settlement.ts: OK only when the others know who is behind */
#define ALL_DEPARTURES 13 /* departuresKnown: whichever write has left it behind */
#define INTENT_ENDS_BARRIER 14 /* takeIntent: a barrier that ran out is removed */
#define SETTLE_BARRIER 15 /* settleAbandoned: the barrier still stands */
#define SETTLE_QUIET 16   /* settleAbandoned, barrier.ts: all owners of writes in flight are gone */
#define SETTLE_EQUAL 17   /* settler.ts: only replicas with the same contents go on */
#define CLAIM 18          /* claimRepair: nobody else repairs it as long as the owner lives */
#define COPY_VOTES 19     /* copy-votes.ts: a copy that comes after the lease was lost is refused */
#define PROMOTE_BARRIER 20 /* promote: the barrier still stands */
#define PROMOTE_QUIET 21  /* promote: no write is in flight */
#define PROMOTE_LSN 22    /* promote: no write was recorded since contents were compared */
#define PROMOTE_SOURCE 23 /* promote: the source is in sync */
#define PROMOTE_CLAIM 24  /* promote: the claim is still held */
#define PROMOTE_EQUAL 25  /* repairer.ts: contents were found equal */

/* What the protocol relies on. Removing it shows what would happen otherwise. */
#define LOCKS 26          /* Git locks a reference from the vote on until it has changed it */
#define RUN_OUT 27        /* What was told to commit is done before its owner is taken for dead */

#define isRemoved(name) (REMOVED == name)
#define guard(name, condition) (isRemoved(name) || (condition))

/* ---- Sets of storages (0, 1, 2) and of writes (0, 1) are bits ---------------------------------- */

#define ALL 7
#define one(i) (1 << (i))
#define has(set, i) (((set) >> (i)) & 1)
#define with(set, i) ((set) | one(i))
#define without(set, i) ((set) & ~one(i))
#define count(set) (has(set, 0) + has(set, 1) + has(set, 2))
#define first(set) (has(set, 0) -> 0 : (has(set, 1) -> 1 : 2))

/* Any subset will do: the others were not reached, were lost, or were given up. */
inline anySubset(result, set) {
  result = set;
  if :: true :: has(result, 0) -> result = without(result, 0) fi;
  if :: true :: has(result, 1) -> result = without(result, 1) fi;
  if :: true :: has(result, 2) -> result = without(result, 2) fi
}

/* ---- The record in the store ------------------------------------------------------------------- */

#define QUORUM 2               /* minInSyncReplicas */
unsigned inSync : 3 = IN_SYNC_AT_FIRST; /* replicas whose LSN is the record's */
unsigned primary : 2;
unsigned intents : 2;          /* writes in flight */
unsigned gone : 2;             /* of these, the ones whose owners have lost their lease, or given them up */
unsigned barrier : 2;          /* 0, or who has raised it */
#define SETTLER 1
#define REPAIRER(r) (2 + r)
unsigned claim0 : 2, claim1 : 2, claim2 : 2; /* 0, or 1 + the proxy that repairs that replica */
unsigned fenced : 2;           /* proxies that have lost their lease since they claimed */
#define learners ((claim0 != 0) | ((claim1 != 0) << 1) | ((claim2 != 0) << 2))

/* The LSN only grows. Who asks whether it has changed since, keeps a bit instead. */
unsigned compared : 2;         /* repairs that have looked at contents at this LSN */

#define newLsn() compared = 0

/* A primary that has fallen behind is replaced (I5). */
inline succeed() {
  if
  :: has(inSync, primary) || isRemoved(NEW_PRIMARY)
  :: else -> primary = first(inSync)
  fi
}

/* ---- Storages: any of them may crash, or not be heard of any more, at any time ------------------ */

/* For each write, the storages that */
byte sent[2];                  /* may still vote on it after the decision; they are no voters */
byte told[2];                  /* were told to commit */
byte done[2];                  /* have done so */
byte late[2];                  /* were told, have not done it, and nobody waits for them any more */

byte content[3];
#define locked(w) (told[w] | late[w])
#if SAME_REFERENCE             /* content: 0, or 1 + the write that was last */
#define changed(s, w) (w + 1)
#define lacks(s, w) (content[s] == 0 || (content[s] == 2 - w && has(after, w)))
#define mayLock(w) (isRemoved(LOCKS) -> ALL : ALL & ~locked(1 - w))
#define mayCopyTo(s, copy) (content[s] == copy || !has(locked(0) | locked(1), s))
#else                          /* content: the writes that it has */
#define changed(s, w) with(content[s], w)
#define lacks(s, w) (!has(content[s], w))
#define mayLock(w) ALL
#define mayCopyTo(s, copy) (((content[s] ^ copy) & (has(locked(0), s) | (has(locked(1), s) << 1))) == 0)
#endif

/* What storage s does for write w. One that is lost does nothing any more; its contents stay. */
#define storageSteps(s, w) \
  :: atomic { has(told[w], s) -> \
       content[s] = changed(s, w); told[w] = without(told[w], s); done[w] = with(done[w], s); \
       printf("storage %d carries out write %d\n", s, w) } \
  :: atomic { has(late[w], s) -> \
       content[s] = changed(s, w); late[w] = without(late[w], s); \
       printf("storage %d carries out write %d, and nobody hears of it\n", s, w) } \
  :: atomic { has(sent[w] & mayLock(w), s) && guard(LEASE, !has(gone, w)) -> \
       sent[w] = without(sent[w], s); told[w] = with(told[w], s); \
       printf("storage %d votes on write %d after the decision, and is told to commit\n", s, w) }

proctype Storages() {
  end: do
  storageSteps(0, 0)
  storageSteps(0, 1)
  storageSteps(1, 0)
  storageSteps(1, 1)
  storageSteps(2, 0)
  storageSteps(2, 1)
  od
}

/* ---- What clients know, and what another proxy does -------------------------------------------- */

unsigned acked : 2;            /* writes whose clients were told OK */
unsigned after : 2;            /* writes that began when the other one had been acknowledged */
unsigned view : 3 = ALL;       /* the replicas that it reads from; 0: it has lost its lease */
unsigned unheard : 2;          /* writes that wait for it to take note of who is behind */

/* ---- What must be true ------------------------------------------------------------------------- */

#define isLost(set, w) (has(acked, w) && \
  ((has(set, 0) && lacks(0, w)) || (has(set, 1) && lacks(1, w)) || (has(set, 2) && lacks(2, w))))
#define differ(a, b) (has(inSync, a) && has(inSync, b) && content[a] != content[b])
#define holders(w) ((!lacks(0, w)) | (!lacks(1, w) << 1) | (!lacks(2, w) << 2))

inline violated(number) { printf("I%d is violated\n", number); assert(false) }

/* States that have to be possible, or nothing would be proved. */
#define BOTH_ACKNOWLEDGED (acked == 3)
#define SETTLED (intents == 0 && gone != 0)
#define REPAIRED (acked != 0 && inSync == ALL)

/* Looks at every state.
 * I1  Who was told to commit has an intent in the record; and at 2. below: its primary votes.
 * I2  At 4. below: what a client will be told of is on enough replicas that are in sync.
 * I3  Replicas in sync are equal when no write is in flight.
 * I4  Who reads, and has its lease, reads what was acknowledged.
 * I5  The primary is in sync.
 * I6  What was acknowledged is on every replica in sync, whoever fails: no step gives it up. */
proctype Observer() {
  end: do
  :: atomic { (told[0] != 0 && !has(intents, 0)) || (told[1] != 0 && !has(intents, 1)) -> violated(1) }
  :: atomic { intents == 0 && (differ(0, 1) || differ(0, 2) || differ(1, 2)) -> violated(3) }
  :: atomic { READERS && (isLost(view, 0) || isLost(view, 1)) -> violated(4) }
  :: atomic { !has(inSync, primary) -> violated(5) }
  :: atomic { isLost(inSync, 0) || isLost(inSync, 1) -> violated(6) }
#ifdef REACHED
  :: atomic { (REACHED) -> printf("the goal is reached\n"); assert(false) }
#endif
  od
}

/* ---- A write (relay/write-call.ts, relay/write-settlement.ts) ---------------------------------- */

bit begun;                     /* write 0 has had its intent */

proctype Write(byte w) {
  byte asked;                  /* the primary that it was routed with */
  byte voters, some, known;    /* sets of storages */
  bit isHeld;                  /* by enough replicas */

  /* 1. Route by what the proxy knows. That may be old by the time that it is used. */
  asked = primary;

  /* 2. Make the intent durable. Voters are those that are in sync now. Both writes are alike: write 0
   *    is the one that gets there first. A barrier may have run out at any time: it stops no intent. */
  if
  :: atomic { (w == 0 || begun) && guard(OWN_PRIMARY, has(inSync, asked)) && count(inSync) >= QUORUM ->
       printf("write %d has its intent; storages {%d} vote\n", w, inSync);
       if :: !has(inSync, asked) -> violated(1) :: else fi;
       begun = 1; voters = inSync; intents = with(intents, w);
       if :: isRemoved(INTENT_ENDS_BARRIER) :: else -> barrier = 0 fi;
       if :: SAME_REFERENCE && has(acked, 1 - w) -> after = with(after, w) :: else fi }
  :: atomic { isRemoved(INTENT) -> begun = 1; voters = inSync }
  fi;

  /* 3. Decide: the primary and enough others have cast equal votes, and no voter is waited for.
   *    Learners may still vote. Of those that are told to commit, some never hear of it. */
  if
  :: atomic { guard(LEASE, !has(gone, w)) ->
       anySubset(some, (voters | learners) & mayLock(w));
       if :: has(some, asked) && count(some & voters) >= QUORUM :: else -> goto over fi;
       if
       :: SAME_REFERENCE ->
          anySubset(sent[w], ((voters | learners) & ~some) & (isRemoved(ALL_VOTED) -> ALL : ~voters))
       :: else
       fi;
       anySubset(told[w], some);
       printf("write %d is decided by storages {%d}, and {%d} hear of it\n", w, some, told[w]);
       asked = 0; voters = 0; some = 0 }
  :: atomic { true -> printf("write %d is called off\n", w); goto over }
  fi;
#if REMOVED == SWAP
  known = inSync;
#endif

  /* 4. Record who holds it: who has finished and is still in sync. The others are not waited for. */
  atomic {
    anySubset(some, done[w]);
    some = some | (isRemoved(FINISHED) -> told[w] : 0);
    some = some & (isRemoved(IN_SYNC) -> ALL : (isRemoved(SWAP) -> known : inSync));
    late[w] = told[w]; told[w] = 0; done[w] = 0; sent[w] = 0;
    if
    :: !has(intents, w) && !isRemoved(NOT_SETTLED) ->
       printf("write %d was settled by others\n", w); goto over
    :: guard(NOT_SETTLED, has(intents, w)) && some == 0 ->
       printf("write %d is in doubt\n", w);
       if :: isRemoved(IN_DOUBT) -> goto over :: else -> gone = with(gone, w) fi
    :: guard(NOT_SETTLED, has(intents, w)) && some != 0 ->
       printf("write %d is recorded: storages {%d} hold it\n", w, some);
       if
       :: READERS && view != 0 && !(isRemoved(ALL_DEPARTURES) && some == inSync) ->
          unheard = with(unheard, w)
       :: else
       fi;
       intents = without(intents, w); gone = without(gone, w); inSync = some; newLsn(); succeed();
       isHeld = guard(ENOUGH, count(some) >= QUORUM);
       if :: isHeld && count(inSync & holders(w)) < QUORUM -> violated(2) :: else fi;
       if :: READERS :: !READERS && isHeld -> acked = with(acked, w); goto over :: else -> goto over fi
    fi;
    some = 0; known = 0
  }

  /* 5. Tell the client, when the others have taken note. One in doubt waits for the settler. */
  if
  :: atomic { isHeld && guard(DEPARTURES, !has(unheard, w)) ->
       acked = with(acked, w); printf("write %d is acknowledged\n", w) }
  :: atomic { !isHeld && !has(intents, w) }
  fi;
over:
  atomic {
    asked = 0; voters = 0; some = 0; known = 0; isHeld = 0; intents = without(intents, w);
    gone = without(gone, w); unheard = without(unheard, w) }
}

/* ---- Settlement of writes whose owners are gone (replication/settler.ts) ----------------------- */

#define hasRunOut(w) (!has(intents, w) || locked(w) == 0)
#define isQuiet ((intents & ~gone) == 0)
#define alike(s) ((has(inSync, s) && guard(SETTLE_EQUAL, content[s] == chosen)) << s)

proctype Settler() {
  byte chosen, equal;
  end: do
  /* 1. Under the barrier, compare those that answer. Which contents are chosen does not matter. */
  :: atomic { (intents & gone) != 0 && guard(SETTLE_QUIET, isQuiet) &&
       guard(RUN_OUT, hasRunOut(0) && hasRunOut(1)) ->
       if
       :: has(inSync, 0) -> chosen = content[0]
       :: has(inSync, 1) -> chosen = content[1]
       :: has(inSync, 2) -> chosen = content[2]
       fi;
       anySubset(equal, alike(0) | alike(1) | alike(2));
       barrier = SETTLER; chosen = 0;
       printf("the settler finds storages {%d} equal\n", equal) };
  /* 2. Settle, unless something has begun meanwhile. */
  atomic {
    if
    :: (equal & inSync) != 0 && guard(SETTLE_BARRIER, barrier == SETTLER) && guard(SETTLE_QUIET, isQuiet) ->
       inSync = equal & inSync; intents = 0; barrier = 0; newLsn(); succeed();
       printf("the settler leaves storages {%d} in sync\n", inSync)
    :: else
    fi;
    equal = 0 }
  od
}

/* ---- Repair of a replica that is behind (replication/repairer.ts) ------------------------------- */

#define isFree(claim) (claim == 0 || isRemoved(CLAIM) || has(fenced, claim - 1))
#define claimOf(s) (s == 0 -> claim0 : (s == 1 -> claim1 : claim2))
inline setClaim(s, to) {
  if :: s == 0 -> claim0 = to :: s == 1 -> claim1 = to :: s == 2 -> claim2 = to fi
}

/* Both proxies are alike: the one that repairs alone is proxy 0. */
bit busy;
#define mayBegin(r) (r == 0 || busy)

proctype Repairer(byte r) {
  byte target, source, copy;
  bit isFirst;                 /* copies while writes go on */
  end: do
  /* 1. Claim a replica that is behind. */
  :: atomic {
       if
       :: mayBegin(r) && !has(inSync, 0) && isFree(claim0) -> target = 0
       :: mayBegin(r) && !has(inSync, 1) && isFree(claim1) -> target = 1
       :: mayBegin(r) && !has(inSync, 2) && isFree(claim2) -> target = 2
       fi;
       if
       :: has(inSync, 0) -> source = 0
       :: has(inSync, 1) -> source = 1
       :: has(inSync, 2) -> source = 2
       fi;
       if :: REPAIRERS > 1 && r == 0 -> busy = 1 :: else fi;
       setClaim(target, r + 1); fenced = without(fenced, r);
       printf("proxy %d claims the repair of storage %d from storage %d\n", r, target, source) };
again:
  /* 2. The storage reads the source: first while writes go on, then under the barrier. */
    if
    :: atomic { REPAIRERS > 1 ->
         isFirst = 1; copy = content[source];
         printf("storage %d reads storage %d, for proxy %d\n", target, source, r) }
    :: atomic { isQuiet ->
         barrier = REPAIRER(r); compared = with(compared, r); copy = content[source];
         printf("storage %d reads storage %d, for proxy %d, under its barrier\n", target, source, r) }
    :: atomic { true -> goto release }
    fi;
  /* 3. It copies what it has read, maybe much later. Then contents are compared. */
    if
    :: atomic { mayCopyTo(target, copy) && guard(COPY_VOTES, !has(fenced, r)) ->
         if
         :: content[target] = copy; printf("storage %d has copied, for proxy %d\n", target, r)
         :: true -> printf("storage %d has not copied all, for proxy %d\n", target, r)
         fi;
         copy = 0;
         if
         :: isFirst -> isFirst = 0; goto again
         :: !isFirst && guard(PROMOTE_EQUAL, content[source] == content[target])
         :: !isFirst && !guard(PROMOTE_EQUAL, content[source] == content[target]) -> goto release
         fi }
    :: atomic { true -> goto release }
    fi;
  /* 4. Declare it in sync. Whatever the end, the claim is given back. */
    atomic {
      if
      :: guard(PROMOTE_BARRIER, barrier == REPAIRER(r)) && guard(PROMOTE_QUIET, intents == 0) &&
         guard(PROMOTE_LSN, has(compared, r)) && guard(PROMOTE_SOURCE, has(inSync, source)) &&
         guard(PROMOTE_CLAIM, claimOf(target) == r + 1) ->
         inSync = with(inSync, target); barrier = 0;
         printf("proxy %d declares storage %d in sync\n", r, target)
      :: else
      fi;
release:
      if :: claimOf(target) == r + 1 -> setClaim(target, 0) :: else fi;
      compared = without(compared, r); fenced = without(fenced, r);
      if :: r == 0 -> busy = 0 :: else fi;
      target = 0; source = 0; copy = 0; isFirst = 0 }
  od
}

/* ---- What happens all by itself --------------------------------------------------------------- */

proctype Surroundings() {
  end: do
  /* The lease of a proxy runs out. It may come back, and what was begun before is lost all the same. */
  :: atomic { has(intents & ~gone, 0) ->
       gone = with(gone, 0); printf("the owner of write 0 loses its lease\n") }
  :: atomic { has(intents & ~gone, 1) ->
       gone = with(gone, 1); printf("the owner of write 1 loses its lease\n") }
#if REPAIRERS > 1
  :: atomic { claim0 == 1 || claim1 == 1 || claim2 == 1 ->
       fenced = with(fenced, 0); printf("proxy 0, which repairs, loses its lease\n") }
  :: atomic { claim0 == 2 || claim1 == 2 || claim2 == 2 ->
       fenced = with(fenced, 1); printf("proxy 1, which repairs, loses its lease\n") }
#endif
#if FAILOVERS
  :: atomic { has(inSync, 0) && primary != 0 ->
       primary = 0; printf("storage 0 is the primary\n") }
  :: atomic { has(inSync, 1) && primary != 1 ->
       primary = 1; printf("storage 1 is the primary\n") }
  :: atomic { has(inSync, 2) && primary != 2 ->
       primary = 2; printf("storage 2 is the primary\n") }
#endif
#if READERS
  /* A proxy that reads takes note of the record, or loses its lease, so that nobody waits for it. */
  :: atomic { view != inSync ->
       view = inSync; unheard = 0; printf("the reader knows that storages {%d} are in sync\n", view) }
  :: atomic { view != 0 -> view = 0; unheard = 0; printf("the reader loses its lease\n") }
#endif
  od
}

init {
  atomic {
    run Storages(); run Write(0);
#if WRITES > 1
    run Write(1);
#endif
    run Settler(); run Surroundings(); run Observer();
#if REPAIRERS > 0
    run Repairer(0);
#endif
#if REPAIRERS > 1
    run Repairer(1);
#endif
  }
}
