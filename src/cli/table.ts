/** A column: its heading, and whether its cells are numbers, which stand at the right. */
export interface Column {
  readonly heading: string;
  readonly align?: 'left' | 'right';
}

/**
 * Lines with aligned columns, two spaces apart, the headings first. No line ends in spaces; there is
 * no line break at the end. Control characters in cells are shown as `?`, so that names which others
 * chose cannot change what the terminal shows.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const lines = [columns.map(({ heading }) => heading), ...rows].map((cells) =>
    cells.map(printable),
  );
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((cells) => cells[index]?.length ?? 0)),
  );
  return lines.map((cells) => formatLine(columns, widths, cells)).join('\n');
}

/** Names and values below each other, the values aligned. */
export function formatFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 1;
  return fields
    .map(([name, value]) => `${`${name}:`.padEnd(width)}  ${printable(value)}`.trimEnd())
    .join('\n');
}

/** `1 repository`, `2 repositories`. */
export function count(amount: number | bigint, one: string, many: string): string {
  return `${amount} ${Number(amount) === 1 ? one : many}`;
}

function formatLine(
  columns: readonly Column[],
  widths: readonly number[],
  cells: readonly string[],
): string {
  const padded = columns.map(({ align }, index) => {
    const cell = cells[index] ?? '';
    const width = widths[index] ?? 0;
    return align === 'right' ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join('  ').trimEnd();
}

function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
