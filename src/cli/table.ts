import { stripVTControlCharacters } from 'node:util'

/** Between columns, as kubectl has it. */
const GAP = '   '

/**
 * Rows under headings, each column as wide as its widest cell; no space at the ends of lines. Cells may be coloured. Columns that are empty in every
 * row are left out when `optional` names them.
 */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  optional: readonly string[] = [],
): string {
  const shown = headings.map((heading, i) => !optional.includes(heading) || rows.some((row) => row[i]))
  const lines = [headings, ...rows].map((row) => row.filter((_, i) => shown[i]))
  const widths = (lines[0] ?? []).map((_, i) => Math.max(...lines.map((line) => width(line[i] ?? ''))))
  return lines
    .map((line) => line.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - width(cell))).join(GAP))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

function width(cell: string): number {
  return [...stripVTControlCharacters(cell)].length
}
