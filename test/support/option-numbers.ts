import { InvalidArgumentError } from 'commander';
import { parseCount } from '../../src/cli/count.ts';

/**
 * Reads a flag's value as a positive number.
 *
 * @throws InvalidArgumentError for what is none
 */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(Number.isFinite(value) && value > 0))
    throw new InvalidArgumentError('use a number above 0.');
  return value;
}

/**
 * Reads a flag's value as numbers of things, with commas between.
 *
 * @throws InvalidArgumentError for what is none, or less than 1
 */
export function parseCounts(text: string): readonly number[] {
  return text.split(',').map(parseCount);
}
