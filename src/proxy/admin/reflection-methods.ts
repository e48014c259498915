import { toBinary, type DescFile, type DescService } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  ServerReflection,
  type ServerReflectionRequest,
} from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { assertNever } from '../../base/errors.ts';
import { statusCodes } from '../../rpc/status.ts';
import { exchangeMethod, type LocalMethod } from '../relay/local-method.ts';
import { describedServices, furtherFiles } from './served-services.ts';

/**
 * grpc.reflection, as grpcurl and the like ask it, in both its versions. It needs a token, as Praefect's does. It
 * tells of the methods and fields that this project knows; Gitaly has more.
 */
export function reflectionMethods(): readonly LocalMethod[] {
  const descriptors = new Descriptors(describedServices, furtherFiles);
  return [
    exchangeMethod(ServerReflection.method.serverReflectionInfo, (request) => ({
      validHost: request.host,
      originalRequest: request,
      messageResponse: descriptors.answer(request.messageRequest),
    })),
    exchangeMethod(ServerReflectionAlpha.method.serverReflectionInfo, (request) => ({
      validHost: request.host,
      originalRequest: request,
      messageResponse: descriptors.answer(request.messageRequest),
    })),
  ];
}

/** What is asked; the same in both versions. */
type Question =
  | Exclude<ServerReflectionRequest['messageRequest'], { readonly case: 'fileContainingExtension' }>
  | {
      readonly case: 'fileContainingExtension';
      readonly value: { readonly containingType: string };
    };

/** What is answered; the same in both versions. */
type Answer =
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

/** Files by what stands in them. */
class Descriptors {
  readonly #services: readonly { readonly name: string }[];
  readonly #byName = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();

  constructor(services: readonly DescService[], files: readonly DescFile[]) {
    this.#services = services.map(({ typeName }) => ({ name: typeName }));
    for (const file of withDependencies([...services.map((service) => service.file), ...files])) {
      this.#byName.set(`${file.name}.proto`, file);
      for (const type of nestedTypes(file)) {
        this.#bySymbol.set(type.typeName, file);
        if (type.kind !== 'service') continue;
        for (const { name } of type.methods) this.#bySymbol.set(`${type.typeName}.${name}`, file);
      }
    }
  }

  answer(question: Question): Answer {
    switch (question.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: [...this.#services] } };
      case 'fileByFilename':
        return fileOrError(this.#byName.get(question.value), question.value);
      case 'fileContainingSymbol':
        return fileOrError(this.#bySymbol.get(question.value), question.value);
      case 'fileContainingExtension':
        return notFound(`there is no extension of ${question.value.containingType}`);
      case 'allExtensionNumbersOfType':
        return this.#bySymbol.has(question.value)
          ? { case: 'allExtensionNumbersResponse', value: { baseTypeName: question.value } }
          : notFound(`${question.value} is not known`);
      case undefined:
        return error(statusCodes.INVALID_ARGUMENT, 'the request asks for nothing');
      default:
        return assertNever(question);
    }
  }
}

function fileOrError(file: DescFile | undefined, asked: string): Answer {
  if (file === undefined) return notFound(`${asked} is not known`);
  const fileDescriptorProto = withDependencies([file]).map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function notFound(message: string): Answer {
  return error(statusCodes.NOT_FOUND, message);
}

function error(errorCode: number, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}

/** The files, and all that they import, each once. */
function withDependencies(files: readonly DescFile[]): readonly DescFile[] {
  const found = new Set<DescFile>();
  const add = (file: DescFile) => {
    if (found.has(file)) return;
    found.add(file);
    for (const dependency of file.dependencies) add(dependency);
  };
  for (const file of files) add(file);
  return [...found];
}
