import { CsvError, parse } from 'csv-parse/sync'

/** A row of a CSV file. */
export interface CsvRow {
  /** From 1, as editors count. */
  readonly line: number
  readonly cells: readonly string[]
}

/** A cell with more line breaks than this is rather one whose quote is not closed. */
const MOST_LINES = 100

/**
 * The rows of a CSV file (separated by commas, semicolons or tabs), and the lines of those that cannot be told apart: after one of these reading goes on with
 * the next line, so that a quote that is never closed costs its own row only.
 */
export function readRows(text: string): { readonly rows: readonly CsvRow[]; readonly unreadable: readonly number[] } {
  const rows: CsvRow[] = []
  const unreadable: number[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const delimiter = delimiterOf(lines[0] ?? '')
  for (let start = 0; start < lines.length; ) {
    const record = recordAt(lines, start)
    const cells = record && cellsOf(record.join('\n'), delimiter)
    if (cells) {
      if (cells.some((cell) => cell.trim() !== '')) rows.push({ line: start + 1, cells })
      start += record.length
    } else {
      unreadable.push(start + 1)
      start++
    }
  }
  return { rows, unreadable }
}

/** The lines of the record that begins at one of them: in a whole record quotes are even. Undefined where none ends. */
function recordAt(lines: readonly string[], start: number): readonly string[] | undefined {
  let quotes = 0
  for (let end = start; end < Math.min(lines.length, start + MOST_LINES); end++) {
    quotes += (lines[end]?.match(/"/g) ?? []).length
    if (quotes % 2 === 0) return lines.slice(start, end + 1)
  }
  return undefined
}

function cellsOf(record: string, delimiter: string): readonly string[] | undefined {
  try {
    return (parse(record, { delimiter, relax_column_count: true }) as string[][])[0] ?? ['']
  } catch (error) {
    if (error instanceof CsvError) return undefined
    throw error
  }
}

/** The separator that the heading has most of. */
function delimiterOf(heading: string): string {
  const count = (separator: string) => heading.split(separator).length
  return [',', ';', '\t'].reduce((best, each) => (count(each) > count(best) ? each : best))
}
