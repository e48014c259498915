import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Says that a program is sealed already. */
const sealedFlag = '--sealed';

/** Whether this process is what {@link runSealedAgain} has started. */
export function isSealed(): boolean {
  return process.argv.includes(sealedFlag);
}

/** The arguments that a person gave. */
export function givenArguments(): readonly string[] {
  return process.argv.slice(2).filter((argument) => argument !== sealedFlag);
}

/**
 * Runs this program once more, in network, process and mount namespaces of its own: it meets no other's addresses, and
 * all that it starts ends with it, however it ends. Needs root.
 *
 * @returns its exit status
 */
export async function runSealedAgain(): Promise<number> {
  const seal = ['--net', '--mount', '--mount-proc', '--pid', '--fork', '--kill-child'];
  const program = [process.execPath, ...process.execArgv, ...process.argv.slice(1), sealedFlag];
  const args = ['--pdeathsig', 'KILL', 'unshare', ...seal, '--', ...program];
  const child = spawn('setpriv', args, { stdio: 'inherit' });
  const [status] = (await once(child, 'exit')) as [number | null];
  return status ?? 1;
}
