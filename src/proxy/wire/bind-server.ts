import { chmod } from 'node:fs/promises';
import type { Server } from 'node:net';
import { claimSocketFile } from './socket-file.ts';

/** Where to listen: port 0 lets the kernel choose, `mode` is that of the socket's file. */
export type Endpoint =
  | { readonly host: string; readonly port: number }
  | {
      readonly path: string;
      /** Default 0600: only processes of this user may connect. */
      readonly mode?: number;
    };

/** Small writes leave at once; dead peers are found. The kernel keeps this, whoever has the socket. */
export const kernelOptions = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
} as const;

/**
 * Makes a server listen. The file that a process left behind which listened on the same path is removed.
 *
 * @returns the port that was bound; 0 for a unix socket
 * @throws Error that names the endpoint, with the socket's error as its cause
 */
export async function bindServer(server: Server, endpoint: Endpoint): Promise<number> {
  if ('path' in endpoint) await claimSocketFile(endpoint.path);
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error) => {
      const where = 'path' in endpoint ? endpoint.path : `${endpoint.host}:${endpoint.port}`;
      reject(new Error(`cannot listen on ${where}: ${error.message}`, { cause: error }));
    };
    server.once('error', onError);
    server.listen('path' in endpoint ? { path: endpoint.path } : endpoint, () => {
      server.off('error', onError);
      resolve();
    });
  });
  if ('path' in endpoint) await chmod(endpoint.path, endpoint.mode ?? 0o600);
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}
