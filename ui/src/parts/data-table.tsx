import { TextInput } from '@mantine/core'
import { IconFilter } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { Empty } from './answered.tsx'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => ReactNode
  /** What it is sorted by; not sorted where absent. */
  readonly by?: (row: Row) => string | number
  readonly right?: boolean
}

interface DataTableProps<Row> {
  /** What is in it, for who does not see it. */
  readonly label: string
  readonly rows: readonly Row[]
  readonly columns: readonly Column<Row>[]
  readonly rowKey: (row: Row) => string
  /** What a person filters by; no filter where absent. */
  readonly text?: (row: Row) => string
  readonly empty?: ReactNode
  readonly tools?: ReactNode
  /** What it is filtered by to begin with. */
  readonly filter?: string
}

/** So many are drawn; the filter finds the others. */
const MOST = 300

/** Rows that can be sorted and filtered. */
export function DataTable<Row>({
  label,
  rows,
  columns,
  rowKey,
  text,
  empty,
  tools,
  filter: first = '',
}: DataTableProps<Row>) {
  const [filter, setFilter] = useState(first)
  const [sort, setSort] = useState<{ readonly title: string; readonly down: boolean }>()
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const found = text && words.length > 0 ? rows.filter((row) => hasAll(text(row), words)) : rows
  const by = columns.find(({ title }) => title === sort?.title)?.by
  const sorted = by ? [...found].sort((a, b) => order(by(a), by(b)) * (sort?.down ? -1 : 1)) : found
  if (rows.length === 0) return empty ?? <Empty title="Nothing here" />
  return (
    <>
      {(text || tools) && (
        <div className="row card-body">
          {text && (
            <TextInput
              aria-label={`Filter ${label}`}
              placeholder={`Filter ${rows.length} …`}
              leftSection={<IconFilter size={15} aria-hidden="true" />}
              value={filter}
              onChange={(event) => setFilter(event.currentTarget.value)}
              size="xs"
              w={260}
            />
          )}
          {tools}
          {words.length > 0 && (
            <span className="sub" role="status">
              {found.length} of {rows.length}
            </span>
          )}
        </div>
      )}
      {/* What scrolls must be reached with the keyboard */}
      <section className="scroll" tabIndex={0} aria-label={label}>
        <table className="data">
          <thead>
            <tr>
              {columns.map(({ title, by: sortBy, right }) => (
                <th
                  key={title}
                  scope="col"
                  {...(right ? { className: 'right' } : {})}
                  {...(sort?.title === title ? { 'aria-sort': sort.down ? 'descending' : 'ascending' } : {})}
                >
                  {sortBy ? (
                    <button
                      type="button"
                      onClick={() => setSort({ title, down: sort?.title === title ? !sort.down : Boolean(right) })}
                    >
                      {title}
                      {sort?.title === title ? (sort.down ? ' ↓' : ' ↑') : ''}
                    </button>
                  ) : (
                    title
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, MOST).map((row) => (
              <tr key={rowKey(row)}>
                {columns.map(({ title, cell, right }) => (
                  <td key={title} {...(right ? { className: 'right' } : {})}>
                    {cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {sorted.length === 0 && <Empty title="Nothing fits">Change the filter to see more.</Empty>}
      {sorted.length > MOST && (
        <p className="sub card-body">
          The first {MOST} of {sorted.length}: filter to see others.
        </p>
      )}
    </>
  )
}

function hasAll(text: string, words: readonly string[]): boolean {
  const lower = text.toLowerCase()
  return words.every((word) => lower.includes(word))
}

function order(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
