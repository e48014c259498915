import { CliError } from './cli-error.ts';

export interface StorageName {
  readonly virtualStorage: string;
  readonly storage: string;
}

/** @throws CliError if the text names no storage */
export function parseStorageName(text: string): StorageName {
  const [virtualStorage = '', storage = '', ...rest] = text.split('/');
  if (virtualStorage !== '' && storage !== '' && rest.length === 0) {
    return { virtualStorage, storage };
  }
  throw new CliError(
    `${JSON.stringify(text)} names no storage: write the virtual storage and the storage, like default/gitaly-default-0`,
  );
}
