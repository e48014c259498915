import { toJson, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { createGitalyClient, type GitalyClient } from '../client/gitaly-client.ts';
import { writeTo } from '../client/git-streams.ts';
import { CliError, describeError } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { readConnection, type ConnectionFlags } from './connection.ts';

/** What a command works with. */
export interface Session {
  readonly client: GitalyClient;
  /** True if programs read the output. */
  readonly json: boolean;
  /** Writes a line, waiting until there is room. */
  readonly print: (line: string) => Promise<void>;
  /** Prints one answer: `render` for people, or its JSON. */
  readonly show: <Desc extends DescMessage>(
    schema: Desc,
    message: MessageShape<Desc>,
    render: (message: MessageShape<Desc>) => string,
  ) => Promise<void>;
}

/** Flags that every command has. */
interface GlobalFlags extends ConnectionFlags {
  readonly json?: boolean;
  readonly timeout: number;
}

/**
 * Runs a command with a client, which is stopped afterwards.
 *
 * @throws CliError for everything that goes wrong, with the next step
 */
export async function withSession(
  command: Command,
  io: CliIo,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  const { json = false, timeout, ...flags } = command.optsWithGlobals<GlobalFlags>();
  const connection = readConnection(flags, io.env);
  const client = createGitalyClient({ ...connection, ...io.client, deadlineMs: timeout * 1000 });
  const print = (line: string) => writeTo(io.stdout, Buffer.from(`${line}\n`));
  try {
    await run({
      client,
      json,
      print,
      show: (schema, message, render) =>
        print(json ? formatJson(schema, message) : render(message)),
    });
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(describeError(error, connection.address));
  } finally {
    await client.stop();
  }
}

/** One line of JSON with every field, also those that have their default. */
export function formatJson<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): string {
  return JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }));
}
