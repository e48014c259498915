import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { run } from '../testbed/run.ts';
import { imageNode, imageNodeVersion } from './image-node.ts';

describe('the Node.js that tests take for that of the image', () => {
  it('is of the major version that all stages of the image stand on', async () => {
    const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
    const [major] = (await imageNodeVersion()).split('.');
    expect(bases).toEqual([`node:${major}-bookworm-slim`, `node:${major}-bookworm-slim`]);
  });

  it('is what it says', async () => {
    const output = await run(await imageNode(), ['--version']);
    expect(output.trim()).toBe(`v${await imageNodeVersion()}`);
  });
});
