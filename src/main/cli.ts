import { runCli } from '../cli/program.ts';

const { stdin, stdout, stderr, env, argv } = process;

// Whoever reads may leave at any time; the writes tell that to those who wait for them.
stdout.on('error', () => {});
stderr.on('error', () => {});

// The timers of the clock keep no process alive, and a command may have nothing else to wait for.
const keepAlive = setInterval(() => {}, 60_000);
process.exitCode = await runCli(argv.slice(2), { stdin, stdout, stderr, env });
clearInterval(keepAlive);

// Open input would keep the process alive.
stdin.destroy();
