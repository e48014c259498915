import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { systemClock } from '../../base/clock.ts';
import { Scope } from '../../base/scope.ts';
import { connectTransport, listenTransport } from './socket-transport.ts';

const folder = mkdtempSync(join(tmpdir(), 'socket-file-'));
let scope = new Scope();
afterEach(async () => {
  await scope.stop();
  scope = new Scope();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a unix socket', () => {
  const path = join(folder, 'claimed');
  const listen = async (mode?: number) =>
    scope.own(
      await listenTransport({
        endpoint: { path, ...(mode === undefined ? {} : { mode }) },
        onConnection: (transport) => transport.destroy(),
      }),
    );

  test('is for its user alone, unless another mode is asked for', async () => {
    const listener = await listen();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await listener.stop();
    await eventually('the file is gone', () => !existsSync(path));
    await listen(0o660);
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  test('takes the place of the one that a dead process left behind', async () => {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script], { env: {} });
    expect(statSync(path).isSocket()).toBe(true);
    await listen();
    const address = { kind: 'unix', path } as const;
    const connecting = connectTransport({ address, timeoutMs: 60_000, clock: systemClock });
    (await connecting).destroy();
  });

  test('is not taken from a process that lives', async () => {
    await listen();
    await expect(listen()).rejects.toThrow(
      `cannot listen on ${path}: another process listens there`,
    );
    const address = { kind: 'unix', path } as const;
    const connecting = connectTransport({ address, timeoutMs: 60_000, clock: systemClock });
    (await connecting).destroy();
  });

  test('does not take the place of a file', async () => {
    writeFileSync(path, 'precious');
    await expect(listen()).rejects.toThrow(`cannot listen on ${path}: it is no socket`);
    expect(readFileSync(path, 'utf8')).toBe('precious');
    rmSync(path);
  });
});
