import { BlobService } from '../../../src/gen/gitaly/blob_pb.ts';
import { type Handler, serverStreaming } from '../grpc/handler.ts';
import { type ServiceContext, invalidArgument } from './context.ts';

/** BlobService/GetBlob: size and id come first; an empty message if there is no such blob. */
export function getBlobHandler({ git, storages }: ServiceContext): Handler {
  return serverStreaming(BlobService.method.getBlob, async (request, { signal }, send) => {
    const { path, quarantine: env } = await storages.find(request.repository);
    const { oid, limit } = request;
    if (oid === '') throw invalidArgument('empty Oid');
    const check = await git.run(path, ['cat-file', '--batch-check'], { input: `${oid}\n`, env });
    const [id = '', type, size = '0'] = check.stdout.toString().trim().split(' ');
    if (type !== 'blob') {
      await send({});
      return;
    }
    let left = limit < 0n || limit > BigInt(size) ? Number(size) : Number(limit);
    if (left === 0) {
      await send({ oid: id, size: BigInt(size) });
      return;
    }
    const content = git.spawn(path, ['cat-file', 'blob', id], { signal, env });
    content.stdin.end();
    content.stderr.resume();
    let first = true;
    for await (const chunk of content.stdout as AsyncIterable<Buffer>) {
      const data = chunk.subarray(0, left);
      left -= data.length;
      if (data.length > 0) await send({ data, ...(first ? { oid: id, size: BigInt(size) } : {}) });
      first = false;
    }
    await content.exited;
  });
}
