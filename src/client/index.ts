/** The published library: everything that its users may import. */
export type { Stoppable } from '../base/scope.ts';
export type { CallOptions, TlsOptions } from '../rpc/channel.ts';
export type { ClientStreamCall, RpcClient } from '../rpc/client.ts';
export { readPlacements, type PlacedRepositories } from '../rpc/placement-list.ts';
export { findDetail, RpcError } from '../rpc/rpc-error.ts';
export { statusCodes, statusName, type StatusCode, type StatusName } from '../rpc/status.ts';
export type { RpcStream } from '../rpc/stream.ts';
export type { Lookup } from './discovery.ts';
export type { GitRequest, GitStreams } from './git-streams.ts';
export {
  createGitalyClient,
  type GitalyClient,
  type GitalyClientOptions,
  type GitTransports,
} from './gitaly-client.ts';
export type { ReceivePackRequest } from './receive-pack.ts';
