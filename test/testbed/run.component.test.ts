import { describe, expect, it } from '@jest/globals';
import { CommandError, run, tryRun } from './run.ts';

describe('running a command', () => {
  it('returns what it prints and hands it its input', async () => {
    expect(await run('cat', [], { input: 'hello' })).toBe('hello');
    expect(await run('cat', [])).toBe('');
  });

  it('fails with what it said on standard error', async () => {
    const failing = run('sh', ['-c', 'echo fine; echo wrong >&2; exit 3']);
    await expect(failing).rejects.toThrow('wrong');
    await expect(failing).rejects.toMatchObject({ status: 3 });
  });

  it('can be asked for the status instead', async () => {
    const result = await tryRun('sh', ['-c', 'echo out; echo err >&2; exit 3']);
    expect(result).toEqual({ status: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  it('kills it after its limit', async () => {
    const slow = run('sleep', ['60'], { limitMs: 50 });
    await expect(slow).rejects.toThrow('took longer than 0.05 s');
  });

  it('does not wait for its children either', async () => {
    const slow = run('sh', ['-c', 'sleep 60 & wait'], { limitMs: 50 });
    await expect(slow).rejects.toThrow('took longer than 0.05 s');
  });

  it('kills it when cancelled, and starts none when already cancelled', async () => {
    const controller = new AbortController();
    const slow = run('sleep', ['60'], { signal: controller.signal });
    controller.abort();
    await expect(slow).rejects.toThrow('cancelled');
    await expect(run('true', [], { signal: controller.signal })).rejects.toThrow('cancelled');
  });

  it('says so when there is no such command', async () => {
    const missing = run('/no/such/command', []);
    await expect(missing).rejects.toBeInstanceOf(CommandError);
    await expect(missing).rejects.toThrow('ENOENT');
  });

  it('survives a command that does not read its input', async () => {
    expect(await run('true', [], { input: 'x'.repeat(1_000_000) })).toBe('');
  });

  it('shows standard error line by line', async () => {
    const lines: string[] = [];
    const onErrorLine = (line: string) => lines.push(line);
    await run('sh', ['-c', 'printf "one\\ntw" >&2; printf "o\\n" >&2'], { onErrorLine });
    expect(lines).toEqual(['one', 'two']);
  });

  it('passes arguments on as they are', async () => {
    expect(await run('printf', ['%s|', '$HOME; ls', '*', "it's"])).toBe("$HOME; ls|*|it's|");
  });
});
