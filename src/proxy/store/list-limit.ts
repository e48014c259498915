const maxListLimit = 1000;

/** @throws RangeError if a page is asked for that is empty or too long */
export function checkedListLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= maxListLimit) return limit;
  throw new RangeError(`a page has 1 to ${maxListLimit} records, not ${limit}`);
}
