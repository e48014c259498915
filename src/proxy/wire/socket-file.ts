import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';

/**
 * Makes way for a unix socket: removes the file of a process that is gone.
 *
 * 1. There is no such file: nothing to do.
 * 2. It is no socket: it is somebody's, and stays.
 * 3. Somebody answers there: two processes cannot listen on one path.
 * 4. Nobody does: the file is a left-over.
 *
 * @throws Error that says what is in the way, and what to do
 */
export async function claimSocketFile(path: string): Promise<void> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`cannot listen on ${path}: ${error.message}`, { cause: error });
  });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new Error(`cannot listen on ${path}: it is no socket; remove it, or choose another path`);
  }
  const problem = await problemOfConnecting(path);
  if (problem === 'ECONNREFUSED') await unlink(path);
  else if (problem !== 'ENOENT') {
    const who = problem === undefined ? 'another process listens there' : problem;
    throw new Error(`cannot listen on ${path}: ${who}; stop it, or choose another path`);
  }
}

/** The code of the error, or undefined if somebody accepts the connection. */
function problemOfConnecting(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
