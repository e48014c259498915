import { InvalidArgumentError } from 'commander';

/**
 * Reads a flag's value as a number of things.
 *
 * @throws InvalidArgumentError for what is none, or less than 1
 */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('use a number from 1 on.');
  return value;
}
