import { SegmentedControl, Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useState } from 'react'
import { useSearch } from 'wouter'
import type { ServiceRow } from '../../../src/server/console/answers.ts'
import type { LogsAnswer } from '../../../src/telemetry/questions/logs.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { Page } from '../parts/page.tsx'
import { LogTable } from './log-table.tsx'
import { type Span, useTelemetry } from './questions.ts'
import { SpanChoice } from './signal-charts.tsx'

/** Requests one by one. */
export default function LogsPage() {
  const asked = new URLSearchParams(useSearch())
  const [last, setLast] = useState<Span>('15m')
  const [failed, setFailed] = useState(asked.has('failed') ? 'failed' : 'all')
  const [service, setService] = useState<string | null>(asked.get('service'))
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
              <LogTable
                entries={entries}
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
