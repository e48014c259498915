import { readFileSync } from 'node:fs';
import path from 'node:path';

/** One line of a recording: what a client did and what a real Gitaly answered. */
export interface RecordedCase {
  readonly case: string;
  readonly method?: string;
  readonly connection: string;
  /** The storage of the node that was called. */
  readonly peer: string;
  /** The repository that the case works on, if any. */
  readonly repository?: string;
  readonly request?: {
    readonly metadata: readonly (readonly [string, string])[];
    readonly messages?: readonly RecordedMessage[];
    readonly half_close: boolean;
    readonly timeout_ms: number;
  };
  readonly response?: {
    readonly headers?: readonly (readonly [string, string])[];
    readonly messages?: readonly RecordedMessage[];
    readonly trailers?: readonly (readonly [string, string])[];
    readonly status: {
      readonly code: number;
      readonly message: string;
      readonly details?: readonly { readonly type_url: string; readonly value_b64: string }[];
    };
  };
  readonly votes?: readonly RecordedVote[];
  readonly stop_requests?: readonly { readonly transaction_id: number }[];
  readonly sidechannel?: RecordedSidechannel | readonly RecordedSidechannel[];
  readonly refs_before?: readonly string[] | string;
  readonly refs_after?: readonly string[] | string;
  readonly refs_later?: { readonly after_ms: number; readonly refs: readonly string[] | string };
}

interface RecordedMessage {
  readonly b64: string;
  readonly len: number;
  readonly truncated?: boolean;
  readonly json?: Readonly<Record<string, unknown>>;
}

interface RecordedVote {
  readonly phase: number;
  readonly hash: string;
  readonly node: string;
  readonly transaction_id: number;
  readonly answer: string;
  readonly sha1_of?: string;
}

export interface RecordedSidechannel {
  readonly id: number;
  readonly opening_hex: string;
  readonly client_to_server?: { readonly after_ok_len: number; readonly head_hex: string };
  readonly server_to_client?: {
    readonly len: number;
    readonly head_hex: string;
    readonly sha256: string;
  };
  readonly closed_first?: string;
}

/** The cases of one file, in order. */
export function loadRecording(folder: string, file: string): RecordedCase[] {
  const lines = readFileSync(path.join(folder, file), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as RecordedCase);
}
