import { create, toBinary } from '@bufbuild/protobuf';
import { FindDefaultBranchNameRequestSchema } from '../../src/gen/gitaly/ref_pb.ts';
import { encodeMessage } from '../../src/proxy/wire/grpc-frame.ts';
import { authorizationHeader } from '../../src/rpc/token.ts';
import { interopMethods, interopRepository, interopToken } from './interop-proxy.ts';

/** The first message of a call for a repository, with its prefix. Default: the interop repository. */
export function interopRequest(relativePath = interopRepository.relativePath): Buffer {
  const repository = { ...interopRepository, relativePath };
  const request = create(FindDefaultBranchNameRequestSchema, { repository });
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
