import type { Stoppable } from '../../src/base/scope.ts';
import { goProgram } from './go-program.ts';
import { LineProcess } from './line-process.ts';

export interface SteadyGoClientOptions {
  /** In the notation of gRPC. */
  readonly target: string;
  readonly token: string;
  readonly storage: string;
  readonly relativePath: string;
  /** A commit that the repository has. */
  readonly commit: string;
  /** Of the references that it writes. */
  readonly prefix: string;
}

export interface SteadyGoReport {
  /** How often it has read and written. */
  readonly reads: number;
  readonly writes: number;
  readonly failures: readonly string[];
}

/** A client with the gRPC of Gitaly's own clients, and their settings: the program `steady`. */
export class SteadyGoClient implements Stoppable {
  readonly #process: LineProcess;
  #report: Promise<SteadyGoReport> | undefined;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /** Resolves when it has read and written for the first time. */
  static async start(options: SteadyGoClientOptions): Promise<SteadyGoClient> {
    const { target, token, storage, relativePath, commit, prefix } = options;
    const program = await goProgram('steady');
    const args = { target, token, storage, repository: relativePath, revision: commit, prefix };
    const flags = Object.entries(args).map(([name, value]) => `-${name}=${value}`);
    return new SteadyGoClient(await LineProcess.start(program, flags));
  }

  /** Ends it after the calls that are under way. */
  finish(): Promise<SteadyGoReport> {
    this.#report ??= this.#finish();
    return this.#report;
  }

  async stop(): Promise<void> {
    await this.finish();
  }

  async #finish(): Promise<SteadyGoReport> {
    this.#process.endInput();
    return JSON.parse(await this.#process.nextLine()) as SteadyGoReport;
  }
}
