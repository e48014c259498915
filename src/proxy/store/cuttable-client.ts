import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';

/** A database connection that can be cut at once, also when the server answers nothing any more. */
export class CuttableClient extends Client {
  /** Resolves once the connection is closed. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;

  constructor(config: ClientConfig) {
    const socket = new Socket();
    super({ ...config, stream: () => socket });
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
  }

  /** Closes the connection without a word; what is under way on it is rejected. */
  cut(): void {
    this.#socket.destroy();
  }
}
