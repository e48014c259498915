import { pick, type Random } from '../../base/random.ts';

/** What is known of a worker when a client has connected. */
export interface WorkerLoad {
  /** Whether it takes connections. */
  readonly isServing: boolean;
  /** Whether something was heard of it lately. */
  readonly isResponsive: boolean;
  /** How many it has. */
  readonly connections: number;
}

/**
 * Which worker a new connection goes to: the one with the fewest, at random among equals.
 *
 * Connections of gRPC are few and live long, so each counts, and one that is placed badly stays so. In
 * turns would drift apart as connections close, would give a worker that was started again only its turn
 * of the new ones, and would put all first connections of clients that open two at a time on one worker
 * and all second ones on the other. One that stands still gets none as long as another does not.
 *
 * @returns undefined if none takes any
 */
export function chooseWorker<Worker extends WorkerLoad>(
  workers: readonly Worker[],
  random: Random,
): Worker | undefined {
  const serving = workers.filter(({ isServing }) => isServing);
  const responsive = serving.filter(({ isResponsive }) => isResponsive);
  const candidates = responsive.length > 0 ? responsive : serving;
  const fewest = Math.min(...candidates.map(({ connections }) => connections));
  return pick(
    random,
    candidates.filter(({ connections }) => connections === fewest),
  );
}
