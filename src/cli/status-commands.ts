import type { Command } from 'commander';
import { ServerInfoResponseSchema } from '../gen/gitaly/server_pb.ts';
import { GetStatusResponseSchema } from '../gen/gitaly_operator/v1/admin_pb.ts';
import type { CliIo } from './cli-io.ts';
import { withSession } from './session.ts';
import { renderServerInfo, renderStatus } from './status-view.ts';

/** Adds `status` and `server-info`. */
export function addStatusCommands(program: Command, io: CliIo): void {
  program
    .command('status')
    .description('show how well repositories are replicated, and the health of storages')
    .action((_flags, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        await show(GetStatusResponseSchema, await client.admin.getStatus({}), renderStatus);
      }),
    );

  program
    .command('server-info')
    .description('show the versions of the server and of Git, and the storages')
    .action((_flags, command: Command) =>
      withSession(command, io, async ({ client, show }) => {
        await show(ServerInfoResponseSchema, await client.server.serverInfo({}), renderServerInfo);
      }),
    );
}
