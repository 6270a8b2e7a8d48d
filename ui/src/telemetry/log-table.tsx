import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { FlagMeaning, LogEntry } from '../../../src/telemetry/questions/logs.ts'
import { useAsk } from '../api/ask.ts'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Tag } from '../parts/tag.tsx'
import { clock, milliseconds } from '../parts/time.ts'

interface LogTableProps {
  readonly entries: readonly LogEntry[]
  readonly empty?: ReactNode
}

/** Lines of access logs, with what their flags mean. */
export function LogTable({ entries, empty }: LogTableProps) {
  const { data: flags = [] } = useAsk<readonly FlagMeaning[]>('telemetry/flags', [])
  return (
    <DataTable
      label="Access logs"
      rows={entries}
      columns={columns(flags)}
      rowKey={({ id }) => String(id)}
      empty={empty}
    />
  )
}

interface FlagProps {
  readonly flag: string
  /** In Envoy's words. */
  readonly details: string
  readonly meaning: FlagMeaning | undefined
}

function Flag({ flag, details, meaning }: FlagProps) {
  return (
    <div className="sub wrap" title={details}>
      <strong>{flag}</strong> {meaning?.meaning} {meaning && <>Look at: {meaning.look}.</>}
    </div>
  )
}

function columns(meanings: readonly FlagMeaning[]): readonly Column<LogEntry>[] {
  return [
    { title: 'Time', cell: ({ at }) => <span className="number">{clock(at)}</span> },
    {
      title: 'From → to',
      cell: ({ source, destination, reporter }) => (
        <>
          {source.workload || source.address || 'unknown'} → {destination.workload || destination.address}
          <div className="sub">as the {reporter === 'source' ? 'caller' : 'called'}'s proxy saw it</div>
        </>
      ),
    },
    {
      title: 'Request',
      cell: ({ kind, method, path, protocol }) => (
        <span className="mono wrap">
          {kind === 'connection' ? `connection (${protocol || 'tcp'})` : `${method} ${path}`}
        </span>
      ),
    },
    {
      title: 'Answer',
      by: ({ status }) => status,
      cell: ({ status, flags, details }) => (
        <>
          <Tag tone={status >= 500 || (status === 0 && flags !== '') ? 'bad' : status >= 400 ? 'warn' : 'good'}>
            {status || 'none'}
          </Tag>
          {flags !== '' &&
            flags
              .split(',')
              .map((flag) => (
                <Flag key={flag} flag={flag} details={details} meaning={meanings.find((one) => one.flag === flag)} />
              ))}
        </>
      ),
    },
    { title: 'Duration', right: true, by: ({ duration }) => duration, cell: ({ duration }) => milliseconds(duration) },
    {
      title: 'Mutual TLS',
      cell: ({ mutualTls }) =>
        mutualTls === null ? '–' : <Tag tone={mutualTls ? 'good' : 'warn'}>{mutualTls ? 'yes' : 'no'}</Tag>,
    },
    {
      title: 'Trace',
      cell: ({ traceId }) =>
        traceId ? (
          <Link className="plain mono" to={`/traces/${traceId}`}>
            {traceId.slice(0, 8)}
          </Link>
        ) : (
          '–'
        ),
    },
  ]
}
