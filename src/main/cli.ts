import { runCli } from '../cli/program.ts';

const { stdin, stdout, stderr, env, argv } = process;

// Whoever reads may leave at any time; the writes tell that to those who wait for them.
stdout.on('error', () => {});
stderr.on('error', () => {});

process.exitCode = await runCli(argv.slice(2), { stdin, stdout, stderr, env });

// Open input would keep the process alive.
stdin.destroy();
