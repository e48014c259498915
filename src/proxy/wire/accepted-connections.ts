import type { Server, Socket } from 'node:net';
import type { Stoppable } from '../../base/scope.ts';

/** Connections to an endpoint at which another process listens and accepts. */
export interface AcceptedConnections {
  /**
   * Begins to give them, none of which has been read from. When the stop has ended, the other
   * process listens no more and none is on its way.
   */
  start(take: (socket: Socket) => void): Stoppable;
  /** Told of each that has closed. */
  onClosed(): void;
}

/** Serves connections as if `server` had accepted them itself. */
export function takeConnections(server: Server, accepted: AcceptedConnections): Stoppable {
  return accepted.start((socket) => {
    // As the server's own: the kernel knows nothing of this.
    socket.allowHalfOpen = true;
    server.emit('connection', socket);
  });
}
