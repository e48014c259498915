import type { SimulatedProcess } from './simulated-process.ts';
import type { StorageCall } from './simulated-storage.ts';

/** A proxy's connection to a storage. */
export interface Connection {
  isOpen: boolean;
  /** Whether the storage's volume was found to be right. */
  isAdmitted: boolean;
  /** After it broke. */
  openToStorageUntilMs: number;
  /** When the last of all messages arrives, each way. */
  readonly last: Stream;
  /** The storage's process at the time: after a crash it is another one. */
  readonly storage: SimulatedProcess;
  /** Those that the proxy waits for. */
  readonly calls: Set<OpenCall>;
  /** Those that the storage may be carrying out. */
  readonly callsAtStorage: Set<OpenCall>;
}

/** What arrives in order, each way: when the last message does. */
export interface Stream {
  toProxy: number;
  toStorage: number;
}

/** A call that is under way, as both ends of the connection know it. */
export interface OpenCall {
  breakAtProxy(error: Error): void;
  breakAtStorage(): void;
}

/** A storage's side of a call in which it votes. */
export interface VotingCall extends StorageCall {
  /** The caller has gone. */
  breakOff(): void;
}
