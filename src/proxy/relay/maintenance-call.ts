import { statusCodes } from '../../rpc/status.ts';
import type { MethodInfo } from '../routing/method-table.ts';
import { routeMaintenance } from '../routing/route.ts';
import type { RepositoryKey } from '../store/control-store.ts';
import type { VirtualStorage } from '../upstream/storage-directory.ts';
import { describeAbort } from '../upstream/unary-call.ts';
import type { RelayContext } from './context.ts';
import { LocalCallError } from './local-method.ts';
import { NodeCall, type NodeCallEnd } from './node-call.ts';
import { RequestFanOut } from './request-fan-out.ts';
import { cutStatus, type CallAbort, type RequestSink, type ServerCall } from './server-call.ts';
import { storageHeaders } from './storage-headers.ts';
import { repositoryNotFound, rewriteFor } from './target.ts';
import { isBeingCreated } from './write-admission.ts';
import { WriteAnswer } from './write-answer.ts';

interface MaintenanceCallOptions {
  readonly call: ServerCall;
  readonly virtualStorage: VirtualStorage;
  readonly context: Pick<RelayContext, 'storages'>;
  /** At least one; the first one's answer is the client's, if all goes well. */
  readonly storages: readonly string[];
  /** The first message as that storage is to get it, with its prefix. */
  rewrite(storage: string): Buffer;
}

/**
 * Sends a call for maintenance to all replicas that can be reached.
 *
 * @throws LocalCallError NOT_FOUND or UNAVAILABLE if there is none
 */
export async function maintain(
  call: ServerCall,
  method: MethodInfo,
  options: {
    readonly virtualStorage: VirtualStorage;
    readonly key: RepositoryKey;
    readonly context: RelayContext;
  },
): Promise<void> {
  const { virtualStorage, key, context } = options;
  const record = context.view.peek(key) ?? (await context.view.get(key));
  if (record === undefined || isBeingCreated(record)) throw repositoryNotFound();
  call.trace.repositoryFound(record);
  const route = routeMaintenance(record, virtualStorage.nodes());
  if (route.kind === 'unavailable') {
    throw new LocalCallError(statusCodes.UNAVAILABLE, route.reason);
  }
  const { storages } = route;
  const [primary = ''] = storages;
  call.trace.writeRouted({ primary, voters: storages, learners: [] });
  const rewrite = (storage: string) =>
    rewriteFor(call, method, { storage, relativePath: record.replicaPath });
  new MaintenanceCall({ call, virtualStorage, context, storages, rewrite }).start();
}

/**
 * A call that every replica carries out for itself: it changes how a repository is stored, and
 * nothing of what is in it. There are no votes, no intent and no limit of our own: to repack a large
 * repository takes long, and not equally long everywhere.
 *
 * The client gets the first storage's answer when all have ended. If one has failed it gets that
 * one's status instead, the first in order.
 */
class MaintenanceCall implements RequestSink {
  readonly #options: MaintenanceCallOptions;
  readonly #fanOut: RequestFanOut;
  readonly #answer: WriteAnswer;
  readonly #nodes: readonly NodeCall[];

  constructor(options: MaintenanceCallOptions) {
    this.#options = options;
    this.#fanOut = new RequestFanOut(options.call.credit);
    this.#answer = new WriteAnswer(options.call);
    this.#nodes = options.storages.map((storage) => this.#createNode(storage));
  }

  start(): void {
    for (const node of this.#nodes) this.#send(node);
    this.#options.call.attach(this);
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#fanOut.forward(bytes, start, end, endStream);
  }

  onAbort(_cause: CallAbort): void {
    for (const node of this.#nodes) node.cancel();
  }

  onCut(reason: string): void {
    this.#options.call.fail(cutStatus(reason));
    this.onAbort({ kind: 'cut' });
  }

  #createNode(storage: string): NodeCall {
    const node: NodeCall = new NodeCall(storage, {
      onHead: (fields) => this.#answer.onHead(storage, fields),
      // Kept, not forwarded: whether it is the client's answer shows at the end.
      onData: (bytes, start, end) => this.#answer.onData(node, bytes, start, end, false),
      onEnd: (end) => this.#onEnd(node, end),
    });
    return node;
  }

  #send(node: NodeCall): void {
    const { call, virtualStorage, rewrite } = this.#options;
    const { storage } = node;
    node.start(
      virtualStorage.calls(storage),
      storageHeaders(call, virtualStorage, storage),
      rewrite(storage),
      call.isWhole,
    );
    if (node.stream !== undefined) this.#fanOut.add(node.stream);
  }

  #onEnd(node: NodeCall, end: NodeCallEnd): void {
    this.#answer.onEnd(node.storage, end);
    if (node.stream !== undefined) this.#fanOut.drop(node.stream);
    if (this.#nodes.every((each) => each.end !== undefined)) this.#reply();
  }

  #reply(): void {
    const { call } = this.#options;
    const failed = this.#nodes.find(({ end }) => end?.kind !== 'answered' || end.code !== 0);
    const speaker = failed ?? this.#nodes[0];
    if (speaker !== undefined && this.#answer.finishWith(speaker.storage)) return;
    const { storage = '', end } = speaker ?? {};
    const reason = end?.kind === 'lost' ? describeAbort(end.cause) : 'its answer is too long';
    const message = `maintenance on storage ${storage} was not finished: ${reason}`;
    call.fail({ code: statusCodes.UNAVAILABLE, message });
  }
}
