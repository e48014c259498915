import { describe, expect, it } from '@jest/globals';
import { requireGo } from './go-program.ts';

describe('the Go for test programs', () => {
  it('may be new', () => {
    expect(() => requireGo('go1.26.8')).not.toThrow();
  });

  it('is asked for where there is none', () => {
    expect(() => requireGo(undefined)).toThrow('need Go 1.25 or newer, and there is none in PATH');
  });

  it('is asked for where there is an old one', () => {
    expect(() => requireGo('go1.19.8')).toThrow('need Go 1.25 or newer, and this is go1.19.8');
  });
});
