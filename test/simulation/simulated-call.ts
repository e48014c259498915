import { statusCodes } from '../../src/rpc/status.ts';
import { CallTrace } from '../../src/proxy/relay/call-trace.ts';
import type { RequestSink, ServerCall } from '../../src/proxy/relay/server-call.ts';
import { headerField } from '../../src/proxy/wire/hpack/header-field.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** How a client's call ends; what is not OK may have happened. */
export type OnAnswer = (code: number, message: string) => void;

/** A client's call as a proxy sees it, whole from the start. The client gives up after `abortAfterMs`, if at all. */
export function simulatedCall(
  process: SimulatedProcess,
  abortAfterMs: number | undefined,
  onAnswer: OnAnswer,
): ServerCall {
  let hasEnded = false;
  const end = (code: number, message: string) => {
    if (hasEnded) return;
    hasEnded = true;
    onAnswer(code, message);
  };
  const call: Pick<
    ServerCall,
    | 'head'
    | 'trace'
    | 'credit'
    | 'isWhole'
    | 'remainingMs'
    | 'attach'
    | 'rewind'
    | 'ended'
    | 'sendHeaders'
    | 'sendTrailers'
    | 'fail'
  > = {
    head,
    trace: new CallTrace(),
    credit: { consumed() {} },
    isWhole: true,
    remainingMs: undefined,
    get ended() {
      return hasEnded;
    },
    rewind: () => !hasEnded,
    attach: (sink: RequestSink) => {
      if (abortAfterMs === undefined) return;
      process.after(abortAfterMs, () => {
        end(statusCodes.DEADLINE_EXCEEDED, 'the client has given up');
        sink.onAbort({ kind: 'deadlineExceeded' });
      });
    },
    sendHeaders() {},
    sendTrailers: (_, code) => end(code, ''),
    fail: ({ code, message }) => end(code, message),
  };
  return call as ServerCall;
}

const head: ServerCall['head'] = {
  path: '/simulation/Write',
  pathField: headerField(':path', '/simulation/Write'),
  authorization: undefined,
  timeoutMs: undefined,
  sidechannelId: undefined,
  primaryOnly: false,
  partitioningHints: [],
  correlationId: undefined,
  clientName: undefined,
  callSite: undefined,
  deadlineType: undefined,
  compressed: false,
  refusal: undefined,
  metadata: [],
};
