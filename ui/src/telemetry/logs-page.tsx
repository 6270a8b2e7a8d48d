import { SegmentedControl, Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useState } from 'react'
import { Link } from 'wouter'
import type { ServiceRow } from '../../../src/server/console/answers.ts'
import type { FlagMeaning, LogEntry, LogsAnswer } from '../../../src/telemetry/questions/logs.ts'
import { useAsk, useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { Tag } from '../parts/tag.tsx'
import { clock, milliseconds } from '../parts/time.ts'
import { type Span, useTelemetry } from './questions.ts'
import { SpanChoice } from './signal-charts.tsx'

/** Requests one by one. */
export default function LogsPage() {
  const [last, setLast] = useState<Span>('15m')
  const [failed, setFailed] = useState('all')
  const [service, setService] = useState<string | null>(null)
  const [typed, setPath] = useState('')
  const [path] = useDebouncedValue(typed, 250)
  const { data: services = [] } = useConsole<readonly ServiceRow[]>('services', 'objects', 'findings')
  const answer = useTelemetry<LogsAnswer>('logs', {
    last,
    failed: failed === 'failed' ? 'true' : undefined,
    'destination.service': service ?? undefined,
    path: path.trim() || undefined,
    limit: '200',
  })
  const { data: flags = [] } = useAsk<readonly FlagMeaning[]>('telemetry/flags', [])
  return (
    <Page
      title="Logs"
      lead="Access logs of the proxies: requests and connections one by one, the newest first."
      tools={<SpanChoice last={last} setLast={setLast} />}
    >
      <Card flush>
        <div className="row card-body">
          <SegmentedControl
            size="xs"
            aria-label="Which"
            value={failed}
            onChange={setFailed}
            data={[
              { value: 'all', label: 'All' },
              { value: 'failed', label: 'Failed' },
            ]}
          />
          <Select
            aria-label="Service"
            placeholder="All services"
            searchable
            clearable
            size="xs"
            w={240}
            data={services.map(({ host }) => host)}
            value={service}
            onChange={setService}
          />
          <TextInput
            aria-label="Part of the path"
            placeholder="Part of the path"
            size="xs"
            w={180}
            value={typed}
            onChange={(event) => setPath(event.currentTarget.value)}
          />
        </div>
        <Answered to={answer}>
          {({ entries, more }) => (
            <>
              <DataTable
                label="Access logs"
                rows={entries}
                columns={columns(flags)}
                rowKey={({ id }) => String(id)}
                empty={<Empty title="No request in this time">Send some, look further back, or ask for less.</Empty>}
              />
              {more && <p className="sub card-body">There are more: ask for less of them above.</p>}
            </>
          )}
        </Answered>
      </Card>
    </Page>
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
            flags.split(',').map((flag) => (
              <div key={flag} className="sub wrap" title={details}>
                <strong>{flag}</strong> {meanings.find((one) => one.flag === flag)?.meaning}
              </div>
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
