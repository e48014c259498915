import { deferred } from '../../base/deferred.ts';
import { statusCodes } from '../../rpc/status.ts';
import { isDraining } from '../routing/node-view.ts';
import type { Intent, RepositoryRecord } from '../routing/repository-record.ts';
import { ActiveWrite } from '../transactions/active-write.ts';
import type { WriteOutcome } from '../transactions/outcome.ts';
import type { NodeEnd } from '../transactions/voting.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { transactionHeader } from '../upstream/transaction-header.ts';
import type { CallHead } from './call-head.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError, statusOf } from './local-method.ts';
import { NodeCall, type NodeCallEnd } from './node-call.ts';
import { replicaResults } from './replica-results.ts';
import { RequestFanOut } from './request-fan-out.ts';
import type { CallAbort, RequestSink, ServerCall } from './server-call.ts';
import { storageHeaders } from './storage-headers.ts';
import { WriteAnswer } from './write-answer.ts';
import { leaseLost, registerIntent, type IntentOutcome } from './write-intent.ts';
import { WriteRooms } from './write-rooms.ts';
import { settle, type Settlement } from './write-settlement.ts';

export interface WriteCallOptions {
  readonly call: ServerCall;
  readonly virtualStorage: VirtualStorage;
  readonly context: RelayContext;
  /** What goes on of the client's headers. Default: all that the call's own head says. */
  readonly head?: CallHead;
  /** The record that the write was routed with. */
  readonly record: RepositoryRecord;
  readonly primary: string;
  /** Primary first. */
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** Unique over all proxies and time. */
  readonly transaction: string;
  /**
   * When the intent is taken. `taken`: it is durable already. `beforeDispatch`: no node gets the call
   * before it is durable. `atDispatch`: while the nodes work. `atFirstVote`: for calls whose request
   * takes long, so that they do not hold up a repair.
   */
  readonly intent: 'taken' | 'beforeDispatch' | 'atDispatch' | 'atFirstVote';
  /** False for methods that can change something without a vote. */
  readonly changesNeedVotes: boolean;
  /** Whether the caller can route the write again: see {@link WriteEnd}. */
  readonly routesAgain: boolean;
  /** How much later than the others a storage may be. Default: see {@link ActiveWriteOptions}. */
  readonly patienceMs?: number;
  /** The first message as that storage is to get it, with its prefix. */
  rewrite(storage: string): Buffer;
}

/** What became of a write. */
export type WriteEnd =
  | Settlement
  /**
   * Nothing has changed, since storages were lost on the way or this proxy was fenced. The client has
   * seen nothing, and its request is still there: made again, the write may well succeed.
   */
  | { readonly kind: 'routeAgain'; readonly reason: string };

/** A write can be routed again only as long as all that the client has sent is kept. */
const maxReplayBytes = 64 * 1024;

/**
 * A call that several storages carry out together. The client sees the primary's answer, and its end
 * only after what happened is recorded (invariant I2).
 */
export class WriteCall implements RequestSink {
  readonly #options: WriteCallOptions;
  readonly #write: ActiveWrite;
  readonly #fanOut: RequestFanOut;
  readonly #answer: WriteAnswer;
  readonly #rooms: WriteRooms;
  readonly #nodes = new Map<string, NodeCall>();
  readonly #settled = deferred<WriteEnd>();
  /** The newest that this write has seen. */
  #known: RepositoryRecord;
  #leaseTerm: number;
  #intent: Promise<IntentOutcome> | undefined;
  #refusal: string | undefined;
  #mayRouteAgain: boolean;

  constructor(options: WriteCallOptions) {
    const { call, context, virtualStorage, patienceMs } = options;
    this.#options = options;
    this.#known = options.record;
    this.#mayRouteAgain = options.routesAgain;
    const lateLimitMs = patienceMs ?? context.lateLimitMs;
    this.#leaseTerm = context.membership.leaseTerm;
    this.#fanOut = new RequestFanOut(call.credit);
    this.#answer = new WriteAnswer(call);
    this.#rooms = new WriteRooms(virtualStorage);
    this.#write = new ActiveWrite({
      primary: options.primary,
      voters: options.voters,
      learners: options.learners,
      quorum: virtualStorage.policy.minInSyncReplicas,
      changesNeedVotes: options.changesNeedVotes,
      clock: context.clock,
      ...(lateLimitMs !== undefined && { lateLimitMs }),
      ...(patienceMs !== undefined && { stragglerLimitMs: patienceMs }),
      isDraining: (node) => isDraining(virtualStorage.nodes(), node),
      mayCommit: () => this.#mayCommit(),
      retakeIntent: () => this.#retakeIntent(),
      onFirstVote: () => {
        if (options.intent === 'atFirstVote') void this.#takeIntent();
      },
      onStraggler: (node) => this.#cut(node),
      onEnded: (outcome) => void this.#finish(outcome),
    });
    call.trace.write = this.#write;
  }

  /**
   * Sends the call out, as soon as there is room for it. Resolves when the write is settled and the
   * client has its answer, unless the write is to be routed again.
   *
   * @throws LocalCallError UNAVAILABLE if the intent is refused before anything was sent
   */
  async run(): Promise<WriteEnd> {
    const { call } = this.#options;
    const { nodes } = this.#write;
    try {
      if (!this.#rooms.areFree(nodes)) await this.#rooms.take(nodes, () => !call.ended);
      return call.ended ? notBegun : await this.#carryOut();
    } finally {
      this.#rooms.leave();
    }
  }

  async #carryOut(): Promise<WriteEnd> {
    const { context, call, intent, transaction, virtualStorage, voters } = this.#options;
    const id = context.writes.add(this.#write);
    const release = context.writes.hold(transaction);
    context.metrics.writeStarted(virtualStorage.name, voters.length);
    try {
      if (intent === 'taken') this.#write.intentDurable(this.#options.voters);
      if (intent === 'atDispatch') void this.#takeIntent();
      if (intent === 'beforeDispatch') {
        const outcome = await this.#takeIntent();
        if (outcome.kind === 'refused') {
          const { reason } = outcome;
          if (this.#mayRouteAgain && !call.ended) return { kind: 'routeAgain', reason };
          throw notWritten(reason);
        }
      }
      // No storage asks before such a change: who must not commit must not begin.
      const isFenced = intent === 'beforeDispatch' && !this.#mayCommit();
      if (isFenced) this.#refusal ??= leaseLost;
      for (const storage of this.#write.nodes) {
        if (isFenced) this.#write.end(storage, { kind: 'unprocessed' });
        else this.#send(id, storage);
      }
      call.attach(this, this.#mayRouteAgain ? maxReplayBytes : 0);
      return await this.#settled.promise;
    } finally {
      context.writes.remove(id);
      release();
    }
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#fanOut.forward(bytes, start, end, endStream);
  }

  /** Before the decision nothing has changed and all can be called off; after it, it runs out. */
  onAbort(_cause: CallAbort): void {
    if (this.#write.isDecided) return;
    for (const node of this.#write.nodes) this.#cut(node);
  }

  onCut(reason: string): void {
    if (this.#write.isDecided) return;
    this.#mayRouteAgain = false;
    this.#refusal ??= reason;
    this.onAbort({ kind: 'cut' });
  }

  #send(id: bigint, storage: string): void {
    const { call, virtualStorage, primary, rewrite, head } = this.#options;
    const isPrimary = storage === primary;
    const node = new NodeCall(storage, {
      onHead: (fields) => this.#answer.onHead(storage, fields),
      onData: (bytes, start, end) => this.#answer.onData(node, bytes, start, end, isPrimary),
      onEnd: (end) => this.#onNodeEnd(node, end),
    });
    this.#nodes.set(storage, node);
    node.start(
      this.#rooms.use(storage),
      storageHeaders(call, virtualStorage, storage, {
        head,
        extra: [transactionHeader(id, storage, isPrimary)],
      }),
      rewrite(storage),
      call.isWhole,
    );
    if (node.stream !== undefined) this.#fanOut.add(node.stream);
  }

  #mayCommit(): boolean {
    return this.#options.context.membership.hasHeldLeaseSince(this.#leaseTerm);
  }

  /**
   * The lease has run out since the intent was taken: others may have settled the write. A push tries to take
   * it once more, as good as a new one, since its client has seen the references and it cannot be routed again.
   */
  #retakeIntent(): boolean {
    if (this.#options.intent !== 'atFirstVote') {
      this.#refusal ??= leaseLost;
      return false;
    }
    void this.#takeIntent();
    return true;
  }

  #takeIntent(): Promise<IntentOutcome> {
    const { record, transaction, primary, voters, learners, virtualStorage, context } =
      this.#options;
    const intent: Intent = {
      transaction,
      owner: context.owner,
      kind: 'write',
      epoch: record.epoch,
      // Those that are in sync by then: a learner that was promoted meanwhile has to be waited for.
      voters: [...voters, ...learners],
    };
    const { minInSyncReplicas } = virtualStorage.policy;
    const waitsForStore = this.#options.intent === 'atFirstVote';
    const options = { primary, minInSyncReplicas, waitsForStore };
    const taken = registerIntent(this.#known, intent, options, context);
    this.#intent = taken.then((outcome) => {
      if (outcome.kind === 'durable') {
        this.#known = outcome.record;
        this.#leaseTerm = outcome.leaseTerm;
        this.#write.intentDurable(outcome.voters);
      } else {
        this.#refusal = outcome.reason;
        this.#mayRouteAgain &&= outcome.mayRouteAgain;
        this.#write.intentRefused();
      }
      return outcome;
    });
    return this.#intent;
  }

  #cut(storage: string): void {
    const node = this.#nodes.get(storage);
    if (node === undefined || node.end !== undefined) return;
    node.cancel();
    this.#release(node);
    this.#write.end(storage, { kind: 'lost' });
  }

  #onNodeEnd(node: NodeCall, end: NodeCallEnd): void {
    this.#answer.onEnd(node.storage, end);
    this.#release(node);
    this.#write.end(node.storage, toNodeEnd(end));
  }

  /** The node takes no more of the request, and must not hold up the others. */
  #release(node: NodeCall): void {
    if (node.stream !== undefined) this.#fanOut.drop(node.stream);
  }

  async #finish(outcome: WriteOutcome): Promise<void> {
    const { transaction, virtualStorage, context } = this.#options;
    for (const [storage, end] of this.#write.storageEnds) virtualStorage.writeEnded(storage, end);
    // A write that ended before its intent was answered must not leave it behind.
    await this.#intent;
    const options = { record: this.#known, transaction, virtualStorage, context };
    const settlement = await settle(this.#asToBeSettled(outcome), options);
    if (settlement.kind === 'unchanged' && this.#canRouteAgain()) {
      const reason = this.#refusal ?? 'the primary was lost on the way';
      this.#settled.resolve({ kind: 'routeAgain', reason });
      return;
    }
    this.#count(settlement, this.#known);
    this.#reply(settlement);
    this.#settled.resolve(settlement);
  }

  #asToBeSettled(outcome: WriteOutcome): WriteOutcome {
    if (this.#hasFailedToCreate(outcome)) return failedCreation;
    return this.#wasBrokenOff(outcome) ? inDoubt : outcome;
  }

  /**
   * Whether the time was up, or the client gone, before anybody had voted. Some storages say so by
   * themselves and the others are cut off by us, as it happens: none of them knows more than another,
   * and none falls behind for having been slower to say so.
   */
  #wasBrokenOff(outcome: WriteOutcome): boolean {
    if (outcome.kind !== 'unverified' && outcome.kind !== 'calledOff') return false;
    const codes = [...this.#nodes.values()].map(({ end }) =>
      end?.kind === 'answered' ? end.code : undefined,
    );
    if (!codes.includes(undefined)) return false;
    return codes.every((code) => code === undefined || brokenOffCodes.has(code));
  }

  /**
   * Whether a repository was to be made and could not be. It is taken back everywhere then: who has
   * failed may hold nothing, and would be the one that the others are made like.
   */
  #hasFailedToCreate(outcome: WriteOutcome): boolean {
    if (this.#options.intent !== 'taken' || outcome.kind !== 'committed') return false;
    const end = this.#nodes.get(outcome.reference)?.end;
    return end?.kind !== 'answered' || end.code !== statusCodes.OK;
  }

  /**
   * Takes the call back from this write, if the proxy was not allowed to carry it out, or has lost the
   * primary on the way. Not if storages did not agree: they might be in each other's way again.
   */
  #canRouteAgain(): boolean {
    const { call, primary } = this.#options;
    if (!this.#mayRouteAgain || !this.#answer.isUntouched) return false;
    const isPrimaryLost = this.#nodes.get(primary)?.end?.kind !== 'answered';
    return (isPrimaryLost || this.#refusal !== undefined) && call.rewind();
  }

  #count(settlement: Settlement, { replicas }: RepositoryRecord): void {
    const { call, context, virtualStorage } = this.#options;
    const { metrics } = context;
    const { ballots } = this.#write;
    metrics.writeEnded(ballots);
    metrics.writeSettled(virtualStorage.name, settlement.kind);
    if (settlement.kind !== 'recorded') return;
    const ends = new Map<string, NodeEnd>();
    for (const [storage, { end }] of this.#nodes) {
      ends.set(storage, end === undefined ? { kind: 'lost' } : toNodeEnd(end));
    }
    const results = replicaResults({
      replicas: replicas.map(({ storage }) => storage),
      ends,
      reference: settlement.reference,
      holders: settlement.holders,
      hasVotes: ballots > 0,
    });
    for (const result of results.values()) metrics.replicaSettled(result);
    call.trace.writeRecorded(results);
  }

  #reply(settlement: Settlement): void {
    const { call, primary } = this.#options;
    if (settlement.kind === 'failed') {
      call.fail({ code: statusCodes.UNAVAILABLE, message: settlement.reason });
    } else if (settlement.kind === 'unchanged' && this.#refusal !== undefined) {
      call.fail(statusOf(notWritten(this.#refusal)));
    } else if (settlement.kind === 'unchanged' && settlement.isCalledOff) {
      call.fail(statusOf(notWritten('too few replicas agreed to it')));
    } else {
      const reference = settlement.kind === 'recorded' ? settlement.reference : primary;
      if (this.#answer.finishWith(reference)) return;
      const message =
        settlement.kind === 'recorded'
          ? 'the write was done, but its answer was lost with the primary'
          : `not written: storage ${primary} was lost`;
      call.fail({ code: statusCodes.UNAVAILABLE, message });
    }
  }
}

/** The client has gone before the storages got anything. */
const notBegun: WriteEnd = { kind: 'unchanged', isCalledOff: false };

/** What a storage has made all the same is removed with the record. */
const failedCreation: WriteOutcome = { kind: 'unchanged', isCalledOff: false };

const inDoubt: WriteOutcome = { kind: 'inDoubt' };

/** What a storage ends a call with whose time is up, or which was cancelled. */
const brokenOffCodes: ReadonlySet<number> = new Set([
  statusCodes.CANCELLED,
  statusCodes.DEADLINE_EXCEEDED,
]);

function notWritten(reason: string): LocalCallError {
  return new LocalCallError(statusCodes.UNAVAILABLE, `not written: ${reason}`);
}

function toNodeEnd(end: NodeCallEnd): NodeEnd {
  if (end.kind === 'answered') return { kind: 'finished', code: end.code };
  return { kind: end.cause.kind === 'refused' ? 'unprocessed' : 'lost' };
}
