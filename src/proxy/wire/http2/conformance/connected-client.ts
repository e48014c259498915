import { systemClock } from '../../../../base/clock.ts';
import { connectTransport } from '../../socket-transport.ts';
import { Http2Session } from '../session.ts';

/**
 * A session of a client with whatever serves HTTP/2 at a port of this machine.
 *
 * @param timeoutMs for the connection to be made; default 10 s
 */
export async function connectedClient(port: number, timeoutMs = 10_000): Promise<Http2Session> {
  const address = { kind: 'tcp', host: '127.0.0.1', port, tls: false } as const;
  const session = new Http2Session({
    transport: await connectTransport({ address, timeoutMs, clock: systemClock }),
    role: 'client',
    clock: systemClock,
    events: {
      onRequest: () => {
        throw new Error('clients get no requests');
      },
      onClosed() {},
    },
  });
  session.start();
  return session;
}
