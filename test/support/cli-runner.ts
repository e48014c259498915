import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Scope } from '../../src/base/scope.ts';
import { runCli } from '../../src/cli/program.ts';
import { startRpcServer, type Implementation } from './rpc-server.ts';
import { patience } from './steady-load.ts';

/** What a command printed, and how it ended. */
export interface CliResult {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Runs commands of `gitaly-ha`. */
export class CliRunner {
  #scope = new Scope();

  /** Runs a command against a server with the given services. */
  async run(line: string, ...implementations: readonly Implementation[]): Promise<CliResult> {
    const server = this.#scope.own(await startRpcServer(implementations));
    return this.runWith(line, { GITALY_HA_ADDRESS: server.address, GITALY_HA_TOKEN: 't' });
  }

  /** Runs a command in an environment of its own. */
  async runWith(line: string, env: Readonly<Record<string, string>>): Promise<CliResult> {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const outputs = Promise.all([text(stdout), text(stderr)]);
    const { connectLimitMs } = patience;
    const io = { stdin: Readable.from([]), stdout, stderr, env, client: { connectLimitMs } };
    const exitCode = await runCli(line === '' ? [] : line.split(' '), io);
    stdout.end();
    stderr.end();
    const [out, err] = await outputs;
    return { exitCode, out, err };
  }

  /** Stops the servers; to be called after each test. */
  async stop(): Promise<void> {
    await this.#scope.stop();
    this.#scope = new Scope();
  }
}
