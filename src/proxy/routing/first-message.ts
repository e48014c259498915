import type { FieldPath, MethodInfo } from './method-table.ts';
import { MessageWriter, textBound } from './message-writer.ts';
import {
  FieldCursor,
  lengthDelimited,
  MalformedMessageError,
  maxVarintBytes,
} from './protobuf-fields.ts';

/** The repository that a call is about, in the client's words. Missing names are empty. */
export interface RepositoryTarget {
  readonly kind: 'ok';
  readonly storage: string;
  readonly relativePath: string;
  /** The quarantine folder to read from, if it names one: what a push has brought that is not allowed yet. */
  readonly quarantine?: string | undefined;
  /** The second repository, if the request names one. */
  readonly additional?: RepositoryName | undefined;
  /** What a fork is made of. */
  readonly forkedFrom?: RepositoryName | undefined;
}

interface RepositoryName {
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
const objectDirectoryField = 4;

/**
 * Reads what a request is about, as a protobuf decoder would: of a text that stands more than once
 * the last one counts, also if the message around it comes in pieces. Never throws.
 */
export function readTarget(bytes: Buffer, method: MethodInfo): TargetOutcome {
  try {
    if (method.scope === 'storage') {
      const { storageField } = method;
      const storage = storageField === undefined ? undefined : readText(bytes, storageField);
      return storage === undefined
        ? { kind: 'missing' }
        : { kind: 'ok', storage, relativePath: '' };
    }
    const target = readRepository(bytes, method.target);
    if (target === undefined) return { kind: 'missing' };
    const { storage, relativePath, quarantine } = target;
    // On the path of every call, where objects of one shape cost least.
    return {
      kind: 'ok',
      storage,
      relativePath,
      quarantine: quarantine === '' ? undefined : quarantine,
      additional: nameOf(readRepository(bytes, method.additional)),
      forkedFrom: nameOf(readRepository(bytes, method.forkedFrom)),
    };
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
 * The request with the names that a storage knows. Everything else stays as it is, byte for byte and
 * in its order, fields that we do not know included: quarantine directories travel there.
 *
 * 1. Walk over the fields; what lies between two changes is copied in one piece.
 * 2. Where a message holds a Repository, or is one, do the same inside it, and write its new length.
 * 3. In each piece of a Repository leave the old names out; put the new ones at the front of the
 *    first piece.
 *
 * A Repository that is not there is not added; the name of a storage is.
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
  const edits = editsOf(method, target, additional);
  const writer = new MessageWriter(reserve, boundOf(bytes, edits));
  if (method.scope === 'storage') {
    const { storageField } = method;
    if (storageField !== undefined) writer.text(storageField, target.storage);
    writeWithout(writer, bytes, 0, bytes.length, storageField, storageField);
  } else writeEdited(writer, bytes, 0, bytes.length, edits, 0);
  return writer.written;
}

function readRepository(bytes: Buffer, path: FieldPath | undefined): FoundNames | undefined {
  if (path === undefined) return undefined;
  const found: FoundNames = { exists: false, storage: '', relativePath: '', quarantine: '' };
  findNames(bytes, 0, bytes.length, path, 0, found);
  return found.exists ? found : undefined;
}

interface FoundNames {
  exists: boolean;
  storage: string;
  relativePath: string;
  quarantine: string;
}

function nameOf(found: FoundNames | undefined): RepositoryName | undefined {
  return found && { storage: found.storage, relativePath: found.relativePath };
}

/** Looks into every piece of the messages along `path`. */
function findNames(
  bytes: Buffer,
  start: number,
  end: number,
  path: FieldPath,
  depth: number,
  found: FoundNames,
): void {
  const isRepository = depth === path.length;
  if (isRepository) found.exists = true;
  const fields = new FieldCursor(bytes, start, end);
  while (fields.next()) {
    if (fields.wireType !== lengthDelimited) continue;
    if (!isRepository) {
      if (fields.number !== path[depth]) continue;
      findNames(bytes, fields.contentStart, fields.end, path, depth + 1, found);
    } else if (fields.number === storageNameField) {
      found.storage = bytes.toString('utf8', fields.contentStart, fields.end);
    } else if (fields.number === relativePathField) {
      found.relativePath = bytes.toString('utf8', fields.contentStart, fields.end);
    } else if (fields.number === objectDirectoryField) {
      found.quarantine = bytes.toString('utf8', fields.contentStart, fields.end);
    }
  }
}

function readText(bytes: Buffer, number: number): string | undefined {
  let text: string | undefined;
  const fields = new FieldCursor(bytes, 0, bytes.length);
  while (fields.next()) {
    if (fields.number === number && fields.wireType === lengthDelimited) {
      text = bytes.toString('utf8', fields.contentStart, fields.end);
    }
  }
  return text;
}

/** New names for the Repository at `path`, and whether they were written. */
interface Edit {
  readonly path: FieldPath;
  readonly names: Replacement;
  isPlaced: boolean;
}

const noPath: FieldPath = [];

function editsOf(
  method: MethodInfo,
  target: Replacement,
  additional: Replacement | undefined,
): readonly Edit[] {
  const edits: Edit[] = [{ path: method.target ?? noPath, names: target, isPlaced: false }];
  if (method.additional !== undefined && additional !== undefined) {
    edits.push({ path: method.additional, names: additional, isPlaced: false });
  }
  return edits;
}

/** No result is longer: each edit adds two texts, and lengthens the lengths of what they lie in. */
function boundOf(bytes: Buffer, edits: readonly Edit[]): number {
  let bound = bytes.length;
  for (const { path, names } of edits) {
    bound +=
      textBound(names.storage) + textBound(names.relativePath) + maxVarintBytes * path.length;
  }
  return bound;
}

/** Writes a message that holds Repositories, `depth` steps down the paths of `edits`. */
function writeEdited(
  writer: MessageWriter,
  bytes: Buffer,
  start: number,
  end: number,
  edits: readonly Edit[],
  depth: number,
): void {
  const fields = new FieldCursor(bytes, start, end);
  let copied = start;
  while (fields.next()) {
    const edit = editOf(fields, edits, depth);
    if (edit === undefined) continue;
    writer.copy(bytes, copied, fields.tagEnd);
    const message = writer.open();
    if (depth + 1 < edit.path.length) {
      writeEdited(writer, bytes, fields.contentStart, fields.end, [edit], depth + 1);
    } else writeRepository(writer, bytes, fields.contentStart, fields.end, edit);
    writer.close(message);
    copied = fields.end;
  }
  writer.copy(bytes, copied, end);
}

function editOf(fields: FieldCursor, edits: readonly Edit[], depth: number): Edit | undefined {
  if (fields.wireType !== lengthDelimited) return undefined;
  for (const edit of edits) {
    if (edit.path[depth] === fields.number) return edit;
  }
  return undefined;
}

/** Writes a piece of a Repository; the first one gets the new names. */
function writeRepository(
  writer: MessageWriter,
  bytes: Buffer,
  start: number,
  end: number,
  edit: Edit,
): void {
  if (!edit.isPlaced) {
    writer.text(storageNameField, edit.names.storage);
    writer.text(relativePathField, edit.names.relativePath);
    edit.isPlaced = true;
  }
  writeWithout(writer, bytes, start, end, storageNameField, relativePathField);
}

/** Writes `bytes[start, end)` without the texts in two of its fields. */
function writeWithout(
  writer: MessageWriter,
  bytes: Buffer,
  start: number,
  end: number,
  first: number | undefined,
  second: number | undefined,
): void {
  const fields = new FieldCursor(bytes, start, end);
  let copied = start;
  while (fields.next()) {
    if (fields.wireType !== lengthDelimited) continue;
    if (fields.number !== first && fields.number !== second) continue;
    writer.copy(bytes, copied, fields.start);
    copied = fields.end;
  }
  writer.copy(bytes, copied, end);
}
