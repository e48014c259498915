/** A header block that no encoder can have written. The connection's tables are out of step. */
export class HpackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HpackError';
  }
}
