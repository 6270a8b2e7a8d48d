import { Link } from 'wouter'
import type { SignalSeries } from '../../../src/telemetry/questions/signals.ts'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { milliseconds, rate } from '../parts/time.ts'
import { type Span, useSignals } from './questions.ts'
import { ErrorShare } from './why-link.tsx'

const MOST = 8

/** Nothing where there is no telemetry. */
export function BusiestServices({ last }: { readonly last: Span }) {
  const { data } = useSignals({ last, by: 'service' })
  const rows = (data?.series ?? []).filter(({ key }) => key.service !== undefined).slice(0, MOST)
  if (rows.length === 0) return null
  return (
    <Card
      title="Busiest services"
      flush
      aside={
        <Link className="plain" to="/topology">
          Topology
        </Link>
      }
    >
      <DataTable label="Busiest services" rows={rows} columns={COLUMNS} rowKey={({ key }) => key.service ?? ''} />
    </Card>
  )
}

const COLUMNS: readonly Column<SignalSeries>[] = [
  {
    title: 'Service',
    cell: ({ key: { service = '' } }) => (
      <Link className="link" to={`/services/${service}`}>
        {service.replace(/\.svc\.cluster\.local$/, '')}
      </Link>
    ),
  },
  {
    title: 'Requests/s',
    right: true,
    by: ({ total }) => total.requestRate,
    cell: ({ total }) => rate(total.requestRate),
  },
  {
    title: 'Errors',
    right: true,
    by: ({ total }) => total.errorShare,
    cell: ({ key: { service = '' }, total: { errorShare } }) => (
      <ErrorShare share={errorShare} calls={{ destination: { service } }} last="15m" />
    ),
  },
  { title: 'p50', right: true, by: ({ total }) => total.p50 ?? 0, cell: ({ total }) => milliseconds(total.p50) },
  { title: 'p90', right: true, by: ({ total }) => total.p90 ?? 0, cell: ({ total }) => milliseconds(total.p90) },
  { title: 'p99', right: true, by: ({ total }) => total.p99 ?? 0, cell: ({ total }) => milliseconds(total.p99) },
]
