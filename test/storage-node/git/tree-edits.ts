import path from 'node:path';

/** A file of a tree. */
export interface TreeFile {
  /** Octal, like `100644`. */
  readonly mode: string;
  readonly id: string;
}

/** One change of a tree. Contents are written already: `id` names the blob. */
export type TreeEdit =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly id: string;
      readonly executable: boolean;
    }
  | { readonly kind: 'create folder'; readonly path: string; readonly emptyId: string }
  | { readonly kind: 'update'; readonly path: string; readonly id: string }
  /** Without an id the content stays. */
  | {
      readonly kind: 'move';
      readonly from: string;
      readonly path: string;
      readonly id: string | undefined;
    }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'chmod'; readonly path: string; readonly executable: boolean };

export type TreeFault =
  'folder exists' | 'traversal' | 'empty path' | 'file exists' | 'file not found' | 'invalid path';

/** An edit that does not fit the tree. */
export class TreeEditError extends Error {
  readonly fault: TreeFault;
  readonly path: string;

  constructor(fault: TreeFault, path: string) {
    super(`${fault}: ${path}`);
    this.name = 'TreeEditError';
    this.fault = fault;
    this.path = path;
  }
}

/** @throws TreeEditError if a path must not be in a tree; else the path without dots */
export function cleanPath(given: string): string {
  if (given === '') throw new TreeEditError('empty path', given);
  if (given.includes('//')) throw new TreeEditError('invalid path', given);
  const clean = path.posix.normalize(given).replace(/^\/+|\/+$/g, '');
  if (clean === '..' || clean.startsWith('../')) throw new TreeEditError('traversal', given);
  if (clean === '.' || clean.split('/').some((part) => part.toLowerCase() === '.git')) {
    throw new TreeEditError('invalid path', given);
  }
  return clean;
}

/**
 * The files after all edits, in order.
 *
 * @throws TreeEditError at the first edit that does not fit
 */
export function applyEdits(
  files: ReadonlyMap<string, TreeFile>,
  edits: readonly TreeEdit[],
): Map<string, TreeFile> {
  const result = new Map(files);
  for (const edit of edits) applyEdit(result, edit);
  return result;
}

function applyEdit(files: Map<string, TreeFile>, edit: TreeEdit): void {
  switch (edit.kind) {
    case 'create':
      add(files, edit.path, { mode: edit.executable ? '100755' : '100644', id: edit.id });
      return;
    case 'create folder':
      if (files.has(edit.path)) throw new TreeEditError('file exists', edit.path);
      if (below(files, edit.path).length > 0) throw new TreeEditError('folder exists', edit.path);
      add(files, `${edit.path}/.gitkeep`, { mode: '100644', id: edit.emptyId });
      return;
    case 'update':
      files.set(edit.path, { ...find(files, edit.path), id: edit.id });
      return;
    case 'move': {
      const file = find(files, edit.from);
      files.delete(edit.from);
      add(files, edit.path, { mode: file.mode, id: edit.id ?? file.id });
      return;
    }
    case 'delete':
      remove(files, edit.path);
      return;
    case 'chmod': {
      const file = find(files, edit.path);
      files.set(edit.path, { ...file, mode: edit.executable ? '100755' : '100644' });
    }
  }
}

/** A new file takes the place of a folder of the same name. */
function add(files: Map<string, TreeFile>, name: string, file: TreeFile): void {
  if (files.has(name)) throw new TreeEditError('file exists', name);
  const parts = name.split('/');
  for (let i = 1; i < parts.length; i += 1) {
    if (files.has(parts.slice(0, i).join('/'))) throw new TreeEditError('file exists', name);
  }
  for (const inside of below(files, name)) files.delete(inside);
  files.set(name, file);
}

function find(files: ReadonlyMap<string, TreeFile>, name: string): TreeFile {
  const file = files.get(name);
  if (!file) throw new TreeEditError('file not found', name);
  return file;
}

function remove(files: Map<string, TreeFile>, name: string): void {
  const inside = below(files, name);
  if (!files.has(name) && inside.length === 0) throw new TreeEditError('file not found', name);
  files.delete(name);
  for (const file of inside) files.delete(file);
}

function below(files: ReadonlyMap<string, TreeFile>, folder: string): string[] {
  return [...files.keys()].filter((name) => name.startsWith(`${folder}/`));
}
