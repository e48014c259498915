import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** Metrics as prom-client tells them to be added up. */
export type MetricReport = readonly MetricObjectWithValues<MetricValue<string>>[];

/** What a worker may be asked, and how it answers. A field that is missing is undefined. */
export interface Answers {
  readonly readiness: { readonly notReady?: string };
  readonly metrics: MetricReport;
  readonly databaseMetrics: { readonly text?: string };
}

export type Question = keyof Answers;

/** From the supervisor to a worker. */
export type ToWorker =
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  /** With a socket: a client that has connected to the address of that index. */
  | { readonly kind: 'connection'; readonly address: number }
  /** The answer to `leaves`: no connection comes any more. */
  | { readonly kind: 'noMoreConnections' }
  | { readonly kind: 'stop' }
  /** After `stop`: without waiting for clients. */
  | { readonly kind: 'hurry' };

/** From a worker to the supervisor. */
export type FromWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Question] }
  /** The question could not be answered. */
  | { readonly kind: 'failure'; readonly id: number; readonly reason: string }
  /** It takes connections from now on. */
  | { readonly kind: 'serves' }
  /** It wants no more connections, and sends its clients elsewhere when it hears `noMoreConnections`. */
  | { readonly kind: 'leaves' }
  /** One of its connections has closed. */
  | { readonly kind: 'connectionClosed' };
