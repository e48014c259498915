import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { errorMessage } from '../../src/base/errors.ts';
import { stateLayout, testbedPaths } from './paths.ts';
import { hasBundles } from './product-images.ts';
import { lineProgress } from './progress.ts';
import type { RunningTestbed } from './running-testbed.ts';
import { lastLines } from './run.ts';
import { leftovers } from './teardown.ts';
import { down, findTestbed, testbedRequirements, up } from './up.ts';

const paths = testbedPaths();
const layout = stateLayout(paths.state);
const options = { paths, progress: lineProgress((line) => process.stderr.write(line)) };

const program = new Command('testbed')
  .description('a real Kubernetes on this machine')
  .enablePositionalOptions();

program
  .command('up')
  .description('start the cluster, or heal and refresh the one that runs')
  .option('--dist <folder>', 'the bundles under test', paths.dist)
  .action(async ({ dist }: { dist: string }) => {
    cleanUpWhenInterrupted();
    const isBuilt = await hasBundles(dist);
    if (!isBuilt) options.progress.say(`no product images: no bundles in ${dist}`);
    const { testbed, images } = await up(options, isBuilt ? { dist } : undefined);
    for (const { name } of new Set(Object.values(images ?? {}))) print(name);
    print(`export KUBECONFIG=${testbed.kubeconfig}`);
  });

program
  .command('down')
  .description('remove the cluster and all its traces but the cache')
  .action(async () => {
    await options.progress.during('down', () => down(options));
    const left = await leftovers(paths);
    if (left.length > 0) throw new Error(`some of it is left:\n${left.join('\n')}`);
  });

program
  .command('check')
  .description('say whether this machine can carry the cluster')
  .action(async () => {
    const verdict = await testbedRequirements(paths);
    if (verdict.kind === 'unsupported') throw new Error(verdict.reasons.join('\n'));
    print('ok');
  });

program
  .command('status')
  .description('show the processes and nodes')
  .action(async () => {
    const testbed = await running();
    const isNode = (name: string) => testbed.faults.names.includes(name);
    for (const name of await testbed.processes.names()) {
      if (isNode(name)) continue;
      const record = await testbed.processes.find(name);
      print(`${name.padEnd(26)}${record === undefined ? 'ended' : `pid ${record.pid}`}`);
    }
    for (const { name, powered, connected, kubelet } of await testbed.nodeStatus()) {
      const network = connected ? 'connected' : 'cut off';
      const agent = kubelet ? 'kubelet runs' : 'kubelet stopped';
      print(`${name.padEnd(26)}${powered ? `on, ${network}, ${agent}` : 'off'}`);
    }
    kubectl(testbed, ['get', 'nodes']);
  });

program
  .command('logs')
  .description('list the logs, or show the end of one')
  .argument('[name]')
  .option('--lines <count>', 'how many lines', '100')
  .action(async (name: string | undefined, { lines }: { lines: string }) => {
    if (name === undefined) {
      for (const file of (await readdir(layout.logs)).sort()) print(file.replace(/\.log$/, ''));
      return;
    }
    print(lastLines(await readFile(join(layout.logs, `${name}.log`), 'utf8'), Number(lines)));
  });

program
  .command('kubeconfig')
  .description('print the path of the kubeconfig, which works from this machine')
  .action(async () => print((await running()).kubeconfig));

program
  .command('kubectl')
  .description('run kubectl on the cluster')
  .argument('[arguments...]')
  .allowUnknownOption()
  .helpOption(false)
  .passThroughOptions()
  .action(async (args: string[]) => kubectl(await running(), args));

const node = program.command('node').description('break a node, and mend it');
const faults = {
  'power-off': ['powerOff', 'kill all that runs on it at once'],
  'power-on': ['powerOn', 'boot it'],
  disconnect: ['disconnect', 'cut it off the network; its pods go on'],
  reconnect: ['reconnect', 'end that'],
  'stop-kubelet': ['stopKubelet', 'stop its kubelet only'],
  'start-kubelet': ['startKubelet', 'start it again'],
} as const;
for (const [name, [method, description]] of Object.entries(faults)) {
  node
    .command(name)
    .description(description)
    .argument('<node>')
    .action(async (target: string) => (await running()).faults[method](target));
}

async function running(): Promise<RunningTestbed> {
  const testbed = await findTestbed(options);
  if (testbed === undefined) throw new Error('there is no testbed; start one with `testbed up`');
  return testbed;
}

function kubectl(testbed: RunningTestbed, args: readonly string[]): void {
  const { command, env } = testbed.kubectlCommand;
  const result = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  process.exitCode = result.status ?? 1;
}

/**
 * An `up` that is interrupted before the cluster is whole removes what there is of it. The `down`
 * that does it runs while we stand still, so that nothing is started behind its back.
 */
function cleanUpWhenInterrupted(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      if (!existsSync(layout.fingerprint)) {
        const self = [...process.execArgv, import.meta.filename, 'down'];
        spawnSync(process.execPath, self, { stdio: 'inherit' });
      }
      process.exit(1);
    });
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  await program.parseAsync();
} catch (failure) {
  process.stderr.write(`testbed: ${errorMessage(failure)}\n`);
  process.exitCode = 1;
}
