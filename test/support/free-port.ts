import { createServer, type AddressInfo } from 'node:net';
import { ownLoopback } from './own-loopback.ts';

/** A port of {@link ownLoopback} that nobody listens on just now, and that nobody else will take. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, ownLoopback, resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
