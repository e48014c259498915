/** The storage node as a program, in the place of Gitaly's: `gitaly serve /etc/gitaly/config.toml`. */
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { errorMessage } from '../../src/base/errors.ts';
import { parseAddress, parseConfig } from './config.ts';
import { startFaultServer } from './fault-server.ts';
import { Faults } from './faults.ts';
import { startMetricsServer } from './metrics.ts';
import { runStorageNode } from './storage-node.ts';

const usage = 'usage: gitaly [serve] CONFIG';

const logger = pino({ base: null });

async function main(): Promise<void> {
  const [file, ...rest] = process.argv.slice(2).filter((argument) => argument !== 'serve');
  if (file === undefined || rest.length > 0) throw new Error(usage);
  const config = parseConfig(await readFile(file, 'utf8'));
  const faults = new Faults(() => {
    node.killGit();
    process.kill(process.pid, 'SIGKILL');
  });
  const node = await runStorageNode({ config, clock: systemClock, logger, faults });
  if (process.env['GITALY_TEST_FAULTS'] === '1') {
    const listen = process.env['GITALY_TEST_FAULTS_LISTEN'] ?? '0.0.0.0:9998';
    const { address } = await startFaultServer(faults, parseAddress('the fault port', listen));
    logger.warn({ address }, 'faults can be set on request: for tests only');
  }
  if (config.prometheusListen) await startMetricsServer(config.prometheusListen, node.metrics);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'storage node stops');
      node.drain().then(
        (inTime) => process.exit(inTime ? 0 : 1),
        () => process.exit(1),
      );
    });
  }
}

main().catch((error: unknown) => {
  logger.fatal({ err: error }, errorMessage(error));
  process.exit(1);
});
