/** What the relay counts. The names and labels of the metrics are the implementation's business. */
export interface RelayMetrics {
  callEnded(call: {
    readonly method: string;
    readonly known: boolean;
    readonly code: number;
    readonly seconds: number;
  }): void;
  readRouted(virtualStorage: string, storage: string): void;
  readRetried(storage: string): void;
  writeSettled(virtualStorage: string, kind: 'recorded' | 'unchanged' | 'failed'): void;
  writeRoutedAgain(): void;
  underReplicatedWrite(virtualStorage: string): void;
  failedOver(virtualStorage: string): void;
}
