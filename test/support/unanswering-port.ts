import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import type { Stoppable } from '../../src/base/scope.ts';
import { eventually } from './eventually.ts';

const program = `
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
`;

/**
 * A port of loopback that answers no attempt to connect, as a machine without power does: its
 * process stands still, and the queue of connections that the kernel keeps for it is full.
 */
export async function startUnansweringPort(): Promise<Stoppable & { readonly port: number }> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  // Until then it may take connections out of the queue.
  await eventually('it stands still', async () => {
    return / T /.test(await readFile(`/proc/${child.pid}/stat`, 'utf8'));
  });
  const queue: Socket[] = [];
  do queue.push(connect({ port, host: '127.0.0.1' }).on('error', () => {}));
  while (await connects(queue.at(-1)));
  return {
    port,
    async stop() {
      for (const socket of queue) socket.destroy();
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** The kernel answers at once while there is room in the queue. */
function connects(socket: Socket | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    // Should this process stand still for so long, what has come meanwhile is heard before the verdict.
    const timer = setTimeout(() => setImmediate(() => resolve(false)), 300);
    socket?.once('connect', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
