import { describe, expect, it } from '@jest/globals';
import { parseStat } from './processes.ts';

describe('a line of /proc/PID/stat', () => {
  const fields = Array.from({ length: 17 }, (_, index) => index).join(' ');

  it('gives state and start time', () => {
    expect(parseStat(`42 (bash) S 1 ${fields} 987654 rest`)).toEqual({
      state: 'S',
      startTime: '987654',
    });
  });

  it('is not confused by a name with blanks and brackets', () => {
    expect(parseStat(`42 (a) Z (b) R 1 ${fields} 7`)).toEqual({ state: 'R', startTime: '7' });
  });
});
