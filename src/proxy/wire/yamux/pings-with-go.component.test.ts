import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { describeWithGo } from '../../../../test/support/describe-with-go.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import { goProgram, goProgramLimitMs } from '../../../../test/support/go-program.ts';
import { startInteropServer } from '../../../../test/support/interop-proxy.ts';
import type { LineProcess } from '../../../../test/support/line-process.ts';
import { systemClock } from '../../../base/clock.ts';
import { Scope } from '../../../base/scope.ts';
import { dialBackchannel } from '../backchannel.ts';
import { connectTransport } from '../socket-transport.ts';
import type { YamuxSession } from './session.ts';

describeWithGo('hashicorp/yamux, as Gitaly serves it (skipped without Go)', () => {
  let scope = new Scope();
  let server: LineProcess;
  let mux: YamuxSession;

  beforeEach(async () => {
    server = scope.own(await startInteropServer(await goProgram('interop')));
    const [host = '', port] = server.firstLine.split(':');
    const clock = systemClock;
    const address = { kind: 'tcp', host, port: Number(port), tls: false } as const;
    const transport = await connectTransport({ address, timeoutMs: 60_000, clock });
    ({ mux } = dialBackchannel({
      transport,
      clock,
      onSidechannel() {},
      onHttp2() {},
      onClosed() {},
    }));
    scope.onStop(() => mux.destroy());
  }, goProgramLimitMs);

  afterEach(async () => {
    await scope.stop();
    scope = new Scope();
  });

  test('answers pings', async () => {
    await expect(mux.ping(60_000)).resolves.toBeUndefined();
    await expect(mux.ping(60_000)).resolves.toBeUndefined();
  });

  test('answers none while its process stands still', async () => {
    process.kill(server.pid, 'SIGSTOP');
    // Until then one of its threads may still answer.
    await eventually('all of its threads stand still', async () => {
      const threads = await readdir(`/proc/${server.pid}/task`);
      const states = await Promise.all(
        threads.map((thread) => readFile(`/proc/${server.pid}/task/${thread}/stat`, 'utf8')),
      );
      return states.every((state) => / T /.test(state));
    });
    await expect(mux.ping(100)).rejects.toThrow('the answer to a ping took longer than 100 ms');
    process.kill(server.pid, 'SIGCONT');
    await expect(mux.ping(60_000)).resolves.toBeUndefined();
  });
});
