import { readFile } from 'node:fs/promises';

/** What a process has used since it began. */
export interface ProcessUsage {
  /** The most memory that it ever had at a time (resident set), in bytes. */
  readonly peakBytes: number;
  readonly cpuMs: number;
}

/** The kernel counts in hundredths of a second (USER_HZ, proc(5)). */
const msOfTick = 10;

/** What a process that runs has used. */
export async function usageOf(pid: number): Promise<ProcessUsage> {
  const [status, stat] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
  ]);
  return { peakBytes: peakOf(status), cpuMs: cpuOf(stat) };
}

/** Of /proc/PID/status. */
export function peakOf(status: string): number {
  const [, kiB] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kiB === undefined) throw new Error('there is no VmHWM: the process has ended');
  return Number(kiB) * 1024;
}

/** User and system time of all threads, of /proc/PID/stat. */
export function cpuOf(stat: string): number {
  // The name in brackets may hold blanks and brackets itself, so count from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * msOfTick;
}
