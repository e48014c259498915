import { setTimeout as delay } from 'node:timers/promises';
import { type Code, RpcError } from './grpc/status.ts';

/** The phases of a vote, by name. */
export type PhaseName = 'PREPARING' | 'PREPARED' | 'COMMITTED' | 'SYNCHRONIZED';

/**
 * A moment at which a test may interfere.
 * - `call`: the handler is about to run;
 * - `vote`: a vote is about to be cast;
 * - `voted`: its answer, a COMMIT, has come;
 * - `answer`: the handler is done, and its response not yet sent.
 */
export type Step =
  | { readonly step: 'call' | 'answer'; readonly method: string }
  | { readonly step: 'vote' | 'voted'; readonly method: string; readonly phase: PhaseName };

/** What happens then. */
export type FaultAction =
  /** Goes on later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Does not go on before the call is cancelled or the faults are cleared. */
  | { readonly kind: 'hang' }
  /** The call fails with this status. */
  | { readonly kind: 'fail'; readonly code: Code; readonly message: string }
  /** Only at `vote`: the vote is on something else. */
  | { readonly kind: 'differ' }
  /** The process is gone, and every git with it, like a container that is killed. */
  | { readonly kind: 'die' };

/** When something goes wrong, and how. Fields that are left out match everything. */
export interface Fault {
  readonly step: Step['step'];
  /** Like `SSHReceivePack`. */
  readonly method?: string;
  readonly phase?: PhaseName;
  readonly action: FaultAction;
  /** Happens so many times, then no more. Default: until it is cleared. */
  readonly times?: number;
}

/** What the node does at its steps; {@link noFaults} in earnest. */
export interface FaultPoints {
  /** Called at each step; may wait, or throw. `differ` asks for another vote. */
  reach(step: Step, signal: AbortSignal): Promise<'go on' | 'differ'>;
  /** Whether every write of git to a file has to fail, as on a full disk. */
  isDiskFull(): boolean;
}

/** Nothing goes wrong. */
export const noFaults: FaultPoints = {
  reach: async () => 'go on',
  isDiskFull: () => false,
};

/** Faults that a test sets and clears while the node runs. */
export class Faults implements FaultPoints {
  readonly #die: () => void;
  #faults: { readonly fault: Fault; left: number }[] = [];
  #cleared = new AbortController();
  #diskFull = false;

  /** @param die ends the node at once, without any goodbye */
  constructor(die: () => void) {
    this.#die = die;
  }

  add(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  setDiskFull(full: boolean): void {
    this.#diskFull = full;
  }

  isDiskFull(): boolean {
    return this.#diskFull;
  }

  /** Forgets all faults and lets go what hangs. */
  clear(): void {
    this.#faults = [];
    this.#diskFull = false;
    this.#cleared.abort();
    this.#cleared = new AbortController();
  }

  async reach(step: Step, signal: AbortSignal): Promise<'go on' | 'differ'> {
    let result: 'go on' | 'differ' = 'go on';
    for (const entry of this.#faults.filter(({ fault }) => matches(fault, step))) {
      if (entry.left <= 0) continue;
      entry.left -= 1;
      if ((await this.#act(entry.fault.action, signal)) === 'differ') result = 'differ';
    }
    return result;
  }

  async #act(action: FaultAction, signal: AbortSignal): Promise<'go on' | 'differ'> {
    switch (action.kind) {
      case 'delay':
        await this.#pause(action.ms, signal);
        return 'go on';
      case 'hang':
        await this.#pause(2 ** 31 - 1, signal);
        return 'go on';
      case 'fail':
        throw new RpcError(action.code, action.message);
      case 'differ':
        return 'differ';
      case 'die':
        this.#die();
        return new Promise(() => {});
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#cleared.signal]);
    await delay(ms, undefined, { signal: over }).catch(() => {});
    signal.throwIfAborted();
  }
}

function matches({ step, method, phase }: Fault, reached: Step): boolean {
  if (step !== reached.step) return false;
  if (method !== undefined && method !== reached.method) return false;
  return phase === undefined || ('phase' in reached && phase === reached.phase);
}
