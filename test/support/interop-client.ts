import { create, toBinary } from '@bufbuild/protobuf';
import { FindDefaultBranchNameRequestSchema } from '../../src/gen/gitaly/ref_pb.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { interopMethods, interopRepository, interopToken } from './interop-proxy.ts';

/** The first message of a call for the interop repository, with its prefix. */
export function interopRequest(): Buffer {
  const request = create(FindDefaultBranchNameRequestSchema, { repository: interopRepository });
  return encodeMessage(toBinary(FindDefaultBranchNameRequestSchema, request));
}

/** The headers of a read that the interop server answers as `behaviour` says. */
export function interopHeaders(behaviour: string, argument = ''): Record<string, string> {
  return {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': interopMethods.read,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: authorizationHeader(interopToken, Date.now()),
    'interop-behaviour': behaviour,
    'interop-argument': argument,
  };
}
