/** A column of a table: its head, and how wide it is. The first one is aligned left, the others right. */
export type Column = readonly [head: string, width: number]

/** A line of as many cells as there are columns. */
export function row(columns: readonly Column[], cells: readonly (string | number)[]): string {
  return columns
    .map(([, width], i) => (i === 0 ? `${cells[i]}`.padEnd(width) : `${cells[i]}`.padStart(width)))
    .join(' ')
}

/** The heads, and a line below. */
export function head(columns: readonly Column[]): string {
  return `${row(
    columns,
    columns.map(([text]) => text),
  )}\n${columns.map(([, width]) => '-'.repeat(width)).join(' ')}`
}

/** With three digits that matter: `0.123`, `12.3`, `1,234`; whole numbers as they are. */
export function figure(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}
