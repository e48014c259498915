import { statusName } from '../../rpc/status.ts';

/**
 * The name of a status code as gRPC for Go writes it, `NotFound` and not `NOT_FOUND`: that is how it
 * stands in the logs and metrics of Gitaly and Praefect.
 */
export function grpcCodeName(code: number): string {
  return names[code] ?? 'Unknown';
}

/** By code. `CANCELLED` has one L there. */
const names: readonly string[] = Array.from({ length: 17 }, (_, code) => {
  const name = statusName(code);
  if (name === 'OK') return name;
  if (name === 'CANCELLED') return 'Canceled';
  const words = name.toLowerCase().split('_');
  return words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('');
});
