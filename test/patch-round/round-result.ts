import type { Pace } from './pace.ts';
import { roundTimes, type RoundOutcome } from './round.ts';

/** The figures of a round. */
export interface RoundResult {
  readonly storages: number;
  readonly repositories: number;
  /** Of the round: what was real is counted `speed` times, see `Pace`. */
  readonly virtualMinutes: number;
  /** The fewest that any repository had at any time on storages that were ready and not drained. */
  readonly minInSyncReplicas: number;
  /** The longest, in seconds of the machine: see `PlanTimes`. */
  readonly planSeconds: number;
  /** The most that it ever had, in millions of bytes. */
  readonly operatorRssMb: number;
}

const limits = {
  virtualMinutes: 30,
  minInSyncReplicas: 2,
  planSeconds: 1,
  operatorRssMb: 300,
  operatorCores: 1,
};

/** The figures of a round, rounded for people. */
export function resultOf(
  { repositories, pace }: { readonly repositories: number; readonly pace: Pace },
  { storages, roundMs, minInSyncReplicas, planMs, operatorPeakBytes }: RoundOutcome,
): RoundResult {
  return {
    storages: storages.length,
    repositories,
    virtualMinutes: rounded(pace.roundMinutes(roundMs), 1),
    minInSyncReplicas,
    planSeconds: rounded(planMs / 1000, 2),
    operatorRssMb: rounded(operatorPeakBytes / 1e6, 0),
  };
}

/** What a round was to keep and did not, for a person; empty if it has kept everything. */
export function brokenPromises(
  { virtualMinutes, minInSyncReplicas, planSeconds, operatorRssMb }: RoundResult,
  { operatorCores }: Pick<RoundOutcome, 'operatorCores'>,
): readonly string[] {
  return [
    ...(virtualMinutes < limits.virtualMinutes ? [] : [`it took ${virtualMinutes} minutes`]),
    ...(minInSyncReplicas >= limits.minInSyncReplicas
      ? []
      : [`a repository had ${minInSyncReplicas} usable replicas`]),
    ...(planSeconds < limits.planSeconds ? [] : [`a plan took ${planSeconds} s`]),
    ...(operatorRssMb < limits.operatorRssMb ? [] : [`the operator had ${operatorRssMb} MB`]),
    ...(operatorCores < limits.operatorCores ? [] : [`the operator used ${operatorCores} cores`]),
  ];
}

/** A round in a few lines, for a person. */
export function describeRound(
  { groupSize, pace }: { readonly groupSize: number; readonly pace: Pace },
  { storages, roundMs, lists, operatorCores, operatorPeakBytes }: RoundOutcome,
): string {
  const alone = rounded((storages.length * roundTimes.reboot) / 60, 0);
  return [
    `${storages.length} storages in groups of ${groupSize} or fewer at speed ${pace.speed}: ` +
      `${rounded(pace.roundMinutes(roundMs), 1)} minutes; the reboots alone one at a time: ${alone}`,
    `operator: ${rounded(operatorPeakBytes / 1e6, 0)} MB at most, ` +
      `${rounded(operatorCores, 2)} cores on average, ${lists} lists of placements`,
  ].join('\n');
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
