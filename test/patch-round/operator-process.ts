import { bundleProgram } from '../support/bundle.ts';
import type { Processes } from '../testbed/processes.ts';
import { cpuMsOf, memoryOf } from '../support/process-usage.ts';

/** What a process has used since it began. */
interface ProcessUsage {
  /** The most memory that it ever had at a time (resident set), in bytes. */
  readonly peakBytes: number;
  readonly cpuMs: number;
}

/** The operator, as a process of this machine. */
export interface OperatorProcess {
  /** What it has used since it was started. Rejects if it has ended. */
  usage(): Promise<ProcessUsage>;
}

/** Bundles the operator as its image has it, and starts it on a cluster. Its log is that of the process `operator`. */
export async function startOperator(
  processes: Processes,
  { folder, kubeconfig }: { readonly folder: string; readonly kubeconfig: string },
): Promise<OperatorProcess> {
  const program = await bundleProgram('operator', folder);
  const listen = ['--http-listen', '127.0.0.1:8080'];
  const flags = ['--proxy-image', 'operator:1', '--cordon-nodes', ...listen];
  // `env` becomes the operator, with the same number.
  const { pid } = await processes.start({
    name: 'operator',
    command: 'env',
    args: [`KUBECONFIG=${kubeconfig}`, process.execPath, program, ...flags],
  });
  return {
    async usage() {
      const [peakBytes, cpuMs] = await Promise.all([memoryOf(pid, 'VmHWM'), cpuMsOf(pid)]);
      return { peakBytes, cpuMs };
    },
  };
}
