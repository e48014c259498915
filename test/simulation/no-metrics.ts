import type { RelayContext } from '../../src/proxy/relay/context.ts';
import type { VolumeMetrics } from '../../src/proxy/replication/volume-guard.ts';
import type { VerificationMetrics } from '../../src/proxy/verification/verifier.ts';

export const noVolumeMetrics: VolumeMetrics = {
  volumeCompared() {},
  repositoriesKept() {},
  replicasGivenUp() {},
};

export const noVerificationMetrics: VerificationMetrics = {
  verificationStarted() {},
  verificationEnded() {},
  leftBehind() {},
};

export const noMetrics: RelayContext['metrics'] = {
  callStarted() {},
  callEnded() {},
  repositoryLookedUp() {},
  readRouted() {},
  readRetried() {},
  unknownMethodCalled() {},
  writeStarted() {},
  writeEnded() {},
  replicaSettled() {},
  writeSettled() {},
  writeRoutedAgain() {},
  underReplicatedWrite() {},
  failedOver() {},
  cameHome() {},
  madeWay() {},
};
