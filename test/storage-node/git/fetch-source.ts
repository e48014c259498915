import type { Duplex } from 'node:stream';
import type { Repository } from '../../../src/gen/gitaly/shared_pb.ts';
import { RepositoryService } from '../../../src/gen/gitaly/repository_pb.ts';
import { SmartHTTPService } from '../../../src/gen/gitaly/smarthttp_pb.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { connectToNode, type NodeClient } from '../grpc/node-client.ts';
import { encodeChunks, endOfChunks } from '../grpc/sidechannel.ts';
import { signToken } from '../grpc/token.ts';
import { delimiterPacket, flushPacket, packet, type Packet, PacketReader } from './pkt-line.ts';

/** What another node has. */
export interface SourceReferences {
  /** Object id by full name, without HEAD. */
  readonly references: ReadonlyMap<string, string>;
  /** Where HEAD points to, if that is known. */
  readonly head: string | undefined;
  readonly objectFormat: 'sha1' | 'sha256';
}

const protocol = 'version=2';

/** A repository on another node, read through that node's own services: git's protocol version 2 over a sidechannel. */
export class FetchSource {
  readonly #client: NodeClient;
  readonly #repository: Repository;
  readonly #token: string;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #objectFormat: 'sha1' | 'sha256' = 'sha1';

  private constructor(
    client: NodeClient,
    options: { repository: Repository; token: string; clock: Clock; signal: AbortSignal },
  ) {
    this.#client = client;
    this.#repository = options.repository;
    this.#token = options.token;
    this.#clock = options.clock;
    this.#signal = options.signal;
  }

  static async open(options: {
    address: string;
    token: string;
    repository: Repository;
    trusted: string | undefined;
    clock: Clock;
    signal: AbortSignal;
  }): Promise<FetchSource> {
    const { address, clock, trusted } = options;
    return new FetchSource(await connectToNode(address, clock, trusted), options);
  }

  close(): Promise<void> {
    return this.#client.stop();
  }

  async exists(): Promise<boolean> {
    const { repositoryExists } = RepositoryService.method;
    const request = { repository: this.#repository };
    return (await this.#client.grpc.unary(repositoryExists, request, this.#options())).exists;
  }

  async config(): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    const request = { repository: this.#repository };
    const { getConfig } = RepositoryService.method;
    for await (const { data } of this.#client.grpc.serverStreaming(
      getConfig,
      request,
      this.#options(),
    )) {
      chunks.push(data);
    }
    return Buffer.concat(chunks);
  }

  async references(): Promise<SourceReferences> {
    this.#objectFormat = await this.#readObjectFormat();
    const command = [
      packet('command=ls-refs\n'),
      packet(`object-format=${this.#objectFormat}\n`),
      delimiterPacket,
      packet('symrefs\n'),
      packet('unborn\n'),
      flushPacket,
    ];
    const references = new Map<string, string>();
    let head: string | undefined;
    await this.#converse(Buffer.concat(command), async (item) => {
      if (item.kind !== 'data') return;
      const line = item.data.toString('latin1').replace(/\n$/, '');
      const [id = '', name = '', ...attributes] = line.split(' ');
      if (name !== 'HEAD') references.set(name, id);
      else head = attributes.find((text) => text.startsWith('symref-target:'))?.slice(14);
    });
    return { references, head, objectFormat: this.#objectFormat };
  }

  /** Fetches what is needed for `wants`, given `haves`, as a pack that may lean on what is there already. */
  async fetch(
    wants: readonly string[],
    haves: readonly string[],
    onPack: (chunk: Buffer) => Promise<void>,
  ): Promise<void> {
    const command = [
      packet('command=fetch'),
      packet(`object-format=${this.#objectFormat}`),
      delimiterPacket,
      packet('thin-pack'),
      packet('no-progress'),
      packet('ofs-delta'),
      ...wants.map((id) => packet(`want ${id}\n`)),
      ...haves.map((id) => packet(`have ${id}\n`)),
      packet('done\n'),
      flushPacket,
    ];
    let inPack = false;
    await this.#converse(Buffer.concat(command), async (item) => {
      if (item.kind !== 'data') return;
      if (!inPack) {
        inPack = item.data.toString() === 'packfile\n';
        return;
      }
      const band = item.data[0];
      if (band === 1) await onPack(item.data.subarray(1));
      if (band === 3) throw new Error(item.data.subarray(1).toString());
    });
    if (!inPack) throw new Error('the source sent no pack');
  }

  /** One request to upload-pack and all packets of its answer. */
  async #converse(request: Buffer, onPacket: (item: Packet) => Promise<void>): Promise<void> {
    const { postUploadPackWithSidechannel } = SmartHTTPService.method;
    const options = this.#options({ 'gitaly-sidechannel-id': '1' });
    const message = { repository: this.#repository, gitProtocol: protocol };
    const call = this.#client.grpc.unary(postUploadPackWithSidechannel, message, options);
    // A call that fails opens no sidechannel.
    const failed = call.then(() => new Promise<never>(() => {}));
    const { bytes } = await Promise.race([this.#client.nextSidechannel(), failed]);
    failed.catch(() => {});
    await Promise.all([call, exchange(bytes, request, onPacket)]);
  }

  async #readObjectFormat(): Promise<'sha1' | 'sha256'> {
    const { infoRefsUploadPack } = SmartHTTPService.method;
    const request = { repository: this.#repository, gitProtocol: protocol };
    const chunks: Uint8Array[] = [];
    for await (const { data } of this.#client.grpc.serverStreaming(
      infoRefsUploadPack,
      request,
      this.#options(),
    )) {
      chunks.push(data);
    }
    return Buffer.concat(chunks).includes('object-format=sha256') ? 'sha256' : 'sha1';
  }

  #options(metadata: Readonly<Record<string, string>> = {}) {
    const authorization = signToken(this.#token, this.#clock.wallMs());
    return {
      timeoutMs: 3_600_000,
      signal: this.#signal,
      metadata: { authorization, ...metadata },
    };
  }
}

async function exchange(
  bytes: Duplex,
  request: Buffer,
  onPacket: (item: Packet) => Promise<void>,
): Promise<void> {
  bytes.write(encodeChunks(request));
  bytes.write(endOfChunks);
  const reader = new PacketReader();
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    for (const item of reader.push(chunk)) await onPacket(item);
  }
}
