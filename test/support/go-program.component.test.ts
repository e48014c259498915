import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run } from '../testbed/run.ts';
import { withFileLock } from './file-lock.ts';
import { goProgram, goProgramLimitMs } from './go-program.ts';

describe('a Go program', () => {
  it(
    'is built with the libraries that Gitaly is built with',
    async () => {
      const modules = await run(await goProgram('versions'), []);
      expect(modules).toContain('google.golang.org/grpc v1.80.0\n');
      expect(modules).toContain('hashicorp/yamux v0.1.2-0.20220728231024-8f49b6f63f18\n');
    },
    goProgramLimitMs,
  );

  it(
    'is built once, even if several ask for it at once',
    async () => {
      const [first, ...others] = await Promise.all(['', '', ''].map(() => goProgram('versions')));
      expect(new Set(others)).toEqual(new Set([first]));
    },
    goProgramLimitMs,
  );
});

describe('the lock of a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'file-lock-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is held by one at a time, and by the next after a failure', async () => {
    const file = join(folder, 'busy');
    let holders = 0;
    const hold = async () => {
      holders += 1;
      expect(holders).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      holders -= 1;
      throw new Error('no luck');
    };
    const limitMs = 20_000;
    const attempts = [1, 2, 3].map(() => withFileLock(file, limitMs, hold));
    const failure = { status: 'rejected', reason: new Error('no luck') };
    expect(await Promise.allSettled(attempts)).toEqual([failure, failure, failure]);
  });

  it('is not waited for without end', async () => {
    const file = join(folder, 'taken');
    await withFileLock(file, 20_000, async () => {
      const second = withFileLock(file, 1, () => Promise.resolve('never'));
      await expect(second).rejects.toThrow(file);
    });
  });
});
