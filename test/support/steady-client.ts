import type { GitalyClient } from '../../src/client/gitaly-client.ts';
import { commitFile } from './commit-file.ts';

/** A client that behaves well: reads and writes one repository for as long as something else lasts. */
export class SteadyClient {
  readonly #client: GitalyClient;
  readonly #repository: { readonly storageName: string; readonly relativePath: string };
  #commit = '';
  #refs = 0;

  constructor(
    client: GitalyClient,
    repository: { readonly storageName: string; readonly relativePath: string },
  ) {
    this.#client = client;
    this.#repository = repository;
  }

  /** Makes the repository, with one commit. */
  async prepare(): Promise<void> {
    const repository = this.#repository;
    await this.#client.repository.createRepository({ repository });
    this.#commit = await commitFile(this.#client, { repository, branch: 'main', text: 'first' });
  }

  /**
   * Runs `action`, and meanwhile reads and writes, at least once each.
   *
   * @throws what `action` throws, or else the first error that this client met
   */
  async during<T>(action: () => Promise<T>): Promise<T> {
    const over = new AbortController();
    const working = (async () => {
      do await this.#round();
      while (!over.signal.aborted);
    })();
    // Met below: until then it may not count as unhandled.
    working.catch(() => {});
    try {
      return await action();
    } finally {
      over.abort();
      await working;
    }
  }

  async #round(): Promise<void> {
    const repository = this.#repository;
    this.#refs += 1;
    const ref = Buffer.from(`refs/heads/branch-${this.#refs}`);
    const revision = Buffer.from(this.#commit);
    await this.#client.repository.writeRef({ repository, ref, revision });
    const found = await this.#client.commit.findCommit({ repository, revision: ref });
    if (found.commit?.id !== this.#commit)
      throw new Error(`${String(ref)} is not what was written`);
  }
}
