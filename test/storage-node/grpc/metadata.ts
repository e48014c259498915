/** The request headers of a call, by lower-case name. */
export interface Metadata {
  /** The last value of `name`, as Gitaly reads repeated keys; undefined if there is none. */
  get(name: string): string | undefined;
  /** Every header that is not HTTP/2's own, in order. */
  entries(): readonly (readonly [string, string])[];
}

/** Reads the raw header list of node:http2: name, value, name, value. */
export function metadataFrom(rawHeaders: readonly string[]): Metadata {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    const value = rawHeaders[i + 1];
    if (name !== undefined && value !== undefined) pairs.push([name, value]);
  }
  return {
    get: (name) => pairs.findLast(([key]) => key === name)?.[1],
    entries: () => pairs.filter(([key]) => !key.startsWith(':')),
  };
}
