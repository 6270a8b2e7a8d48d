import { SegmentedControl, Select } from '@mantine/core'
import { useState } from 'react'
import type { ServiceRow } from '../../../src/server/console/answers.ts'
import type { SignalGroup } from '../../../src/telemetry/questions/signals.ts'
import { useConsole } from '../api/ask.ts'
import { Page } from '../parts/page.tsx'
import { SignalCharts } from './signal-charts.tsx'

const GROUPS = [
  { value: 'all', label: 'Together' },
  { value: 'service', label: 'By service' },
  { value: 'version', label: 'By version' },
  { value: 'code', label: 'By status' },
]

/** Rate, errors and durations of anything. */
export default function SignalsPage() {
  const { data: services = [] } = useConsole<readonly ServiceRow[]>('services', 'objects', 'findings')
  const [service, setService] = useState<string | null>(null)
  const [by, setBy] = useState('all')
  return (
    <Page
      title="Signals"
      lead="Rates, errors and durations, as the callers' proxies saw them."
      tools={
        <>
          <Select
            aria-label="Service"
            placeholder="All services"
            searchable
            clearable
            size="xs"
            w={260}
            data={services.map(({ host }) => host)}
            value={service}
            onChange={setService}
          />
          <SegmentedControl size="xs" aria-label="Split" data={GROUPS} value={by} onChange={setBy} />
        </>
      }
    >
      <SignalCharts
        asked={service ? { destination: { service } } : {}}
        last="15m"
        {...(by === 'all' ? {} : { by: by as SignalGroup })}
      />
    </Page>
  )
}
