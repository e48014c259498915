import { setTimeout } from 'node:timers/promises';
import { pick, type Random } from '../../src/base/random.ts';
import type { Stoppable } from '../../src/base/scope.ts';
import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import type { Git } from '../scenario/git.ts';
import { type ChaosRepository, emptyTree } from './chaos-repository.ts';
import type { Recorder } from './recorder.ts';
import { findReference, listReferences, setReference, setters } from './references.ts';

/** How many there are of each kind of worker. */
interface Workers {
  /** Set references by calls. */
  readonly mutators: number;
  /** Push with git. */
  readonly pushers: number;
  readonly readers: number;
}

export interface WorkloadOptions extends Workers {
  readonly repositories: readonly ChaosRepository[];
  /** Each has connections of its own: what hangs on one is no trouble of the others. */
  readonly clients: readonly GitalyClient[];
  readonly git: Git;
  /** A repository of this machine, in which commits to push are made. */
  readonly folder: string;
  readonly recorder: Recorder;
  readonly random: Random;
  /** How long each worker rests after a call that went well, give or take a half. */
  readonly pauseMs: number;
}

/** So many repositories, the first ones, get half of all calls, so that some of these meet. */
const busyRepositories = 4;
const busyShare = 0.5;

/** How many writes go to the reference that all write to; the others go to the writer's own. */
const sharedShare = 0.6;
export const sharedRef = 'refs/heads/shared';

/** What the final check needs. */
const reservedCommits = 200;

const pushLimitMs = 120_000;

/** As long does a worker rest after a failure: repairs need the machine more than further attempts do. */
const failurePauseMs = 1_000;

/** One round of a worker of that name. Resolves with whether it went well. */
type Round = (worker: string) => Promise<boolean>;

/** Writers and readers of many repositories, until they are stopped. Each writes values that nobody else writes. */
export class Workload implements Stoppable {
  /** The references that are written to, in every repository. */
  readonly refs: readonly string[];
  readonly #options: WorkloadOptions;
  readonly #running: readonly Promise<void>[];
  readonly #failures: unknown[] = [];
  #isStopping = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    const { mutators, pushers, readers } = options;
    this.refs = [
      sharedRef,
      ...[...names('mutator', mutators), ...names('pusher', pushers)].map(ownRef),
    ];
    const rounds: readonly (readonly [readonly string[], Round])[] = [
      [names('mutator', mutators), (worker) => this.#mutate(worker)],
      [names('pusher', pushers), (worker) => this.#push(worker)],
      [names('reader', readers), (worker) => this.#read(worker)],
    ];
    this.#running = rounds.flatMap(([workers, round]) =>
      workers.map((worker) => this.#repeat(() => round(worker))),
    );
  }

  /** Ends after the calls that are under way. Rejects if a worker has ended by itself. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #repeat(round: () => Promise<boolean>): Promise<void> {
    const { random, pauseMs } = this.#options;
    try {
      while (!this.#isStopping) {
        const restMs = (await round()) ? pauseMs : failurePauseMs;
        await setTimeout(restMs * (0.5 + random.next()));
      }
    } catch (failure) {
      this.#failures.push(failure);
    }
  }

  async #mutate(by: string): Promise<boolean> {
    const { recorder, random } = this.#options;
    const [repository, client] = [this.#repository(), this.#client()];
    if (repository.commitsLeft <= reservedCommits) return true;
    const method = pick(random, setters) ?? 'WriteRef';
    const change = { ref: this.#refFor(by), value: repository.unusedCommit() };
    return recorder.write({ repository, ...change, by, method }, () =>
      setReference(client, method, { repository: repository.message, ...change }),
    );
  }

  /** Pushes a commit that the repository does not have yet. */
  async #push(by: string): Promise<boolean> {
    const { recorder, git, folder, random } = this.#options;
    const repository = this.#repository();
    const message = `${by} ${performance.now()} ${random.next()}`;
    const value = await git.git(folder, ['commit-tree', emptyTree, '-m', message]);
    const ref = this.#refFor(by);
    return recorder.write({ repository, ref, value, by, method: 'push' }, async () => {
      const push = ['push', '-q', git.url(repository.relativePath), `+${value}:${ref}`];
      const { status, stderr } = await git.tryGit(folder, push, { limitMs: pushLimitMs });
      if (status !== 0) throw new Error(stderr);
    });
  }

  /** Reads one reference, or all. */
  async #read(by: string): Promise<boolean> {
    const { recorder, random } = this.#options;
    const [repository, client] = [this.#repository(), this.#client()];
    if (random.next() < 0.3) {
      return recorder.read({ repository, refs: this.refs, by, method: 'ListRefs' }, () =>
        listReferences(client, repository.message),
      );
    }
    const ref = random.next() < sharedShare ? sharedRef : (pick(random, this.refs) ?? sharedRef);
    return recorder.read({ repository, refs: [ref], by, method: 'FindCommit' }, () =>
      findReference(client, repository.message, ref),
    );
  }

  #refFor(writer: string): string {
    return this.#options.random.next() < sharedShare ? sharedRef : ownRef(writer);
  }

  #repository(): ChaosRepository {
    const { repositories, random } = this.#options;
    const isBusy = random.next() < busyShare;
    const some = isBusy ? repositories.slice(0, busyRepositories) : repositories;
    const repository = pick(random, some);
    if (repository === undefined) throw new Error('there are no repositories');
    return repository;
  }

  #client(): GitalyClient {
    const client = pick(this.#options.random, this.#options.clients);
    if (client === undefined) throw new Error('there are no clients');
    return client;
  }
}

function names(kind: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`);
}

/** The reference that only this writer writes to. */
function ownRef(writer: string): string {
  return `refs/heads/${writer}`;
}
