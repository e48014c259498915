import type { FieldPath, MethodInfo } from './method-table.ts';
import {
  lengthDelimited,
  MalformedMessageError,
  readFields,
  varintLength,
  writeVarint,
  type Field,
} from './protobuf-fields.ts';

/** The repository that a call is about, in the client's words. Missing names are empty. */
export interface RepositoryTarget {
  readonly kind: 'ok';
  readonly storage: string;
  readonly relativePath: string;
  /** The second repository, if the request names one. */
  readonly additional?: RepositoryName;
}

export interface RepositoryName {
  readonly storage: string;
  readonly relativePath: string;
}

export type TargetOutcome =
  | RepositoryTarget
  /** The request names no repository, or no storage where the method is about one. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'malformed'; readonly reason: string };

/** Wire facts of `gitaly.Repository`. */
const storageNameField = 2;
const relativePathField = 3;

/** Reads what a request is about. Never throws. */
export function readTarget(bytes: Buffer, method: MethodInfo): TargetOutcome {
  try {
    if (method.scope === 'storage') {
      const { storageField } = method;
      if (storageField === undefined) return { kind: 'missing' };
      const storage = readString(bytes, storageField);
      return storage === undefined
        ? { kind: 'missing' }
        : { kind: 'ok', storage, relativePath: '' };
    }
    const target = method.target === undefined ? undefined : readRepository(bytes, method.target);
    if (target === undefined) return { kind: 'missing' };
    const additional =
      method.additional === undefined ? undefined : readRepository(bytes, method.additional);
    return { kind: 'ok', ...target, ...(additional === undefined ? {} : { additional }) };
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    return { kind: 'malformed', reason: error.message };
  }
}

/** What a storage is to get in place of the client's names. */
export interface Replacement {
  readonly storage: string;
  readonly relativePath: string;
}

/**
 * The request with the names that a storage knows. Everything else stays as it is, byte for byte,
 * fields that we do not know included: quarantine directories travel there.
 *
 * @param reserve bytes to leave free before the result
 * @throws MalformedMessageError where {@link readTarget} would say so
 */
export function rewriteRepository(
  bytes: Buffer,
  method: MethodInfo,
  target: Replacement,
  additional: Replacement | undefined,
  reserve: number,
): Buffer {
  let rewritten = bytes;
  if (method.scope === 'storage') {
    if (method.storageField !== undefined) {
      rewritten = withFields(rewritten, [stringField(method.storageField, target.storage)]);
    }
  } else {
    if (method.target !== undefined) {
      rewritten = atPath(rewritten, method.target, (repository) => named(repository, target));
    }
    if (method.additional !== undefined && additional !== undefined) {
      rewritten = atPath(rewritten, method.additional, (repository) =>
        named(repository, additional),
      );
    }
  }
  const result = Buffer.allocUnsafe(reserve + rewritten.length);
  rewritten.copy(result, reserve);
  return result;
}

function readRepository(bytes: Buffer, path: FieldPath): RepositoryName | undefined {
  const repository = messageAt(bytes, path);
  if (repository === undefined) return undefined;
  return {
    storage: readString(repository, storageNameField) ?? '',
    relativePath: readString(repository, relativePathField) ?? '',
  };
}

/** The last value counts where a field stands more than once. */
function readString(bytes: Buffer, number: number): string | undefined {
  const field = occurrences(bytes, number).at(-1);
  return field === undefined ? undefined : bytes.toString('utf8', field.contentStart, field.end);
}

/** A message that stands in several pieces is all of them, one after the other. */
function messageAt(bytes: Buffer, path: FieldPath): Buffer | undefined {
  let current = bytes;
  for (const number of path) {
    const pieces = occurrences(current, number);
    const [first] = pieces;
    if (first === undefined) return undefined;
    current =
      pieces.length === 1
        ? current.subarray(first.contentStart, first.end)
        : Buffer.concat(pieces.map((piece) => current.subarray(piece.contentStart, piece.end)));
  }
  return current;
}

function occurrences(bytes: Buffer, number: number): readonly Field[] {
  return readFields(bytes, 0, bytes.length).filter(
    (field) => field.number === number && field.wireType === lengthDelimited,
  );
}

/** Replaces the message at `path`, in the place of its first piece. */
function atPath(bytes: Buffer, path: FieldPath, change: (message: Buffer) => Buffer): Buffer {
  const [number, ...rest] = path;
  if (number === undefined) return change(bytes);
  const message = messageAt(bytes, [number]);
  if (message === undefined) return bytes;
  return withField(bytes, number, atPath(message, rest, change));
}

/** A Repository message with other names, in front of everything else that it has. */
function named(repository: Buffer, { storage, relativePath }: Replacement): Buffer {
  return withFields(repository, [
    stringField(storageNameField, storage),
    stringField(relativePathField, relativePath),
  ]);
}

interface NewField {
  readonly number: number;
  readonly content: Buffer;
}

function stringField(number: number, value: string): NewField {
  return { number, content: Buffer.from(value, 'utf8') };
}

/** `bytes` without the fields that `replaced` has, and those in front. */
function withFields(bytes: Buffer, replaced: readonly NewField[]): Buffer {
  const numbers = new Set(replaced.map((field) => field.number));
  const kept = readFields(bytes, 0, bytes.length).filter((field) => !numbers.has(field.number));
  return Buffer.concat([
    ...replaced.map(encodeField),
    ...kept.map((field) => bytes.subarray(field.start, field.end)),
  ]);
}

/** `bytes` with one field replaced where it first stands; further pieces of it are left out. */
function withField(bytes: Buffer, number: number, content: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let placed = false;
  for (const field of readFields(bytes, 0, bytes.length)) {
    if (field.number !== number) pieces.push(bytes.subarray(field.start, field.end));
    else if (!placed) {
      placed = true;
      pieces.push(encodeField({ number, content }));
    }
  }
  return Buffer.concat(pieces);
}

function encodeField({ number, content }: NewField): Buffer {
  const tag = number * 8 + lengthDelimited;
  const head = varintLength(tag) + varintLength(content.length);
  const encoded = Buffer.allocUnsafe(head + content.length);
  const position = writeVarint(encoded, writeVarint(encoded, 0, tag), content.length);
  content.copy(encoded, position);
  return encoded;
}
