import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deferred } from '../../src/base/deferred.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/gen/grpc/health/v1/health_pb.ts';
import {
  ServerReflection,
  type ServerReflectionRequest,
} from '../../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { RpcError } from '../../src/rpc/rpc-error.ts';
import { statusCodes } from '../../src/rpc/status.ts';
import { ProxyCluster } from '../support/proxy-cluster.ts';

const endless = { deadlineMs: Number.POSITIVE_INFINITY };

let cluster: ProxyCluster;
beforeAll(async () => {
  cluster = await ProxyCluster.start({ storages: 1, minInSyncReplicas: 1 });
});
afterAll(() => cluster.stop());

describe('the health service, without a token', () => {
  const health = (proxy = 0) => cluster.rpc(Health, { proxy, secret: '' });

  test.each(['', 'gitaly.CommitService', 'gitaly.DiffService', 'gitaly_operator.v1.AdminService'])(
    'says that service "%s" is served',
    async (service) => {
      expect((await health().check({ service })).status).toBe(Status.SERVING);
    },
  );

  test.each(['gitaly.Nothing', 'gitaly.RefTransaction', 'gitaly.CommitService/FindCommit'])(
    'does not know a service "%s"',
    async (service) => {
      await expect(health().check({ service })).rejects.toMatchObject({
        code: statusCodes.NOT_FOUND,
        message: expect.stringContaining('unknown service'),
      });
    },
  );

  test('lists all services', async () => {
    const { statuses } = await health().list({});
    expect(Object.keys(statuses)).toEqual(
      expect.arrayContaining(['', 'gitaly.RepositoryService', 'grpc.health.v1.Health']),
    );
    expect(new Set(Object.values(statuses).map(({ status }) => status))).toEqual(
      new Set([Status.SERVING]),
    );
  });

  test('lets a service be watched until the proxy stops, and then ends', async () => {
    const proxy = await cluster.startProxy();
    const index = cluster.proxies.indexOf(proxy);
    const watching = ['', 'gitaly.RefService', 'gitaly.Nothing'].map((service) => {
      const seen: Status[] = [];
      const began = deferred<void>();
      const ended = (async () => {
        try {
          for await (const { status } of health(index).watch({ service }, endless)) {
            seen.push(status);
            began.resolve();
          }
          return undefined;
        } catch (error) {
          return error;
        }
      })();
      return { seen, began: began.promise, ended };
    });
    await Promise.all(watching.map(({ began }) => began));
    await proxy.stop();
    const errors = await Promise.all(watching.map(({ ended }) => ended));
    expect(watching.map(({ seen }) => seen)).toEqual([
      [Status.SERVING, Status.NOT_SERVING],
      [Status.SERVING, Status.NOT_SERVING],
      [Status.SERVICE_UNKNOWN],
    ]);
    for (const error of errors) {
      expect(error).toBeInstanceOf(RpcError);
      expect(error).toMatchObject({ code: statusCodes.UNAVAILABLE });
    }
  });
});

type Question = ServerReflectionRequest['messageRequest'];

describe.each([
  ['v1', ServerReflection],
  ['v1alpha', ServerReflectionAlpha],
])('reflection %s', (_, service) => {
  async function ask(questions: readonly Question[]) {
    const stream = await cluster.rpc(service as typeof ServerReflection).serverReflectionInfo();
    const answers = [];
    for (const messageRequest of questions) {
      await stream.write({ host: 'proxy', messageRequest });
    }
    stream.end();
    for await (const answer of stream.responses) answers.push(answer);
    return answers;
  }

  const answersTo = async (...questions: Question[]) =>
    (await ask(questions)).map(({ messageResponse }) => messageResponse);

  test('lists the services', async () => {
    const [answer] = await answersTo({ case: 'listServices', value: '' });
    const services = answer?.case === 'listServicesResponse' ? answer.value.service : [];
    expect(services.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'gitaly.RepositoryService',
        'gitaly_operator.v1.AdminService',
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
      ]),
    );
  });

  test.each([
    ['a service', 'gitaly.CommitService'],
    ['a method', 'gitaly.CommitService.FindCommit'],
    ['a message', 'gitaly.FindCommitRequest'],
    ['a message inside another', 'gitaly.ServerInfoResponse.StorageStatus'],
  ])('describes %s by files that a client can put together', async (_kind, symbol) => {
    const [answer] = await answersTo({ case: 'fileContainingSymbol', value: symbol });
    if (answer?.case !== 'fileDescriptorResponse') throw new Error(`no file: ${answer?.case}`);
    const file = answer.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    const registry = createFileRegistry(
      create(FileDescriptorSetSchema, { file: file.toReversed() }),
    );
    const [, parent = ''] = /^(.*)\.[^.]+$/.exec(symbol) ?? [];
    expect(registry.get(symbol) ?? registry.getService(parent)?.methods).toBeDefined();
  });

  test('describes a file by its name', async () => {
    const [answer] = await answersTo({ case: 'fileByFilename', value: 'gitaly/shared.proto' });
    const [first] =
      answer?.case === 'fileDescriptorResponse' ? answer.value.fileDescriptorProto : [];
    expect(fromBinary(FileDescriptorProtoSchema, first ?? new Uint8Array()).name).toBe(
      'gitaly/shared.proto',
    );
  });

  test('answers in order, also what there is not', async () => {
    const answers = await ask([
      { case: 'fileContainingSymbol', value: 'gitaly.Nothing' },
      { case: 'fileByFilename', value: 'nothing.proto' },
      {
        case: 'fileContainingExtension',
        value: {
          $typeName: 'grpc.reflection.v1.ExtensionRequest',
          containingType: 'gitaly.Repository',
          extensionNumber: 7,
        },
      },
      { case: 'allExtensionNumbersOfType', value: 'gitaly.Repository' },
      { case: 'allExtensionNumbersOfType', value: 'gitaly.Nothing' },
      { case: undefined },
    ]);
    const kinds = answers.map(({ messageResponse }) =>
      messageResponse.case === 'errorResponse'
        ? messageResponse.value.errorCode
        : messageResponse.case,
    );
    const { NOT_FOUND, INVALID_ARGUMENT } = statusCodes;
    expect(kinds).toEqual([
      NOT_FOUND,
      NOT_FOUND,
      NOT_FOUND,
      'allExtensionNumbersResponse',
      NOT_FOUND,
      INVALID_ARGUMENT,
    ]);
    expect(answers[0]).toMatchObject({
      validHost: 'proxy',
      originalRequest: {
        messageRequest: { case: 'fileContainingSymbol', value: 'gitaly.Nothing' },
      },
    });
  });

  test('needs a token', async () => {
    const client = cluster.rpc(service as typeof ServerReflection, { secret: '' });
    const stream = await client.serverReflectionInfo();
    await stream.write({ messageRequest: { case: 'listServices', value: '' } });
    stream.end();
    const read = async () => {
      for await (const _answer of stream.responses);
    };
    await expect(read()).rejects.toMatchObject({ code: statusCodes.UNAUTHENTICATED });
  });
});
