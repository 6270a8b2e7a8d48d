import { Link } from 'wouter'
import type { ServiceRow } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { FindingTags, MtlsTag, Tag } from '../parts/tag.tsx'
import { milliseconds, rate } from '../parts/time.ts'
import { type SignalsByService, useSignalsByService } from '../telemetry/by-service.ts'
import { ErrorShare } from '../telemetry/why-link.tsx'

export function ServicesPage() {
  const answer = useConsole<readonly ServiceRow[]>('services', 'objects', 'findings')
  const signals = useSignalsByService('15m')
  return (
    <Page title="Services" lead="What can be called in the mesh, and what outside of it is known to it.">
      <Card flush>
        <Answered to={answer}>
          {(rows) => (
            <DataTable
              label="Services"
              rows={rows}
              columns={columns(signals)}
              rowKey={({ host }) => host}
              text={({ host, versions, ports }) =>
                `${host} ${versions.join(' ')} ${ports.map(({ protocol }) => protocol).join(' ')}`
              }
              empty={
                <Empty title="No services yet">
                  Add a Service to the files that the mesh follows, or to the cluster: it appears here by itself.
                </Empty>
              }
            />
          )}
        </Answered>
      </Card>
    </Page>
  )
}

function columns(signals: SignalsByService): readonly Column<ServiceRow>[] {
  const none = <span className="muted">–</span>
  const measured: readonly Column<ServiceRow>[] = [
    {
      title: 'Requests/s',
      right: true,
      by: ({ host }) => signals.get(host)?.requestRate ?? -1,
      cell: ({ host }) => {
        const total = signals.get(host)
        return total ? rate(total.requestRate) : none
      },
    },
    {
      title: 'Errors',
      right: true,
      by: ({ host }) => signals.get(host)?.errorShare ?? -1,
      cell: ({ host }) => {
        const total = signals.get(host)
        if (!total) return none
        return <ErrorShare share={total.errorShare} calls={{ destination: { service: host } }} last="15m" />
      },
    },
    {
      title: 'p99',
      right: true,
      by: ({ host }) => signals.get(host)?.p99 ?? -1,
      cell: ({ host }) => milliseconds(signals.get(host)?.p99 ?? null),
    },
  ]
  return [
    {
      title: 'Service',
      by: ({ name }) => name,
      cell: ({ host, name, namespace, external }) => (
        <>
          <Link className="link" to={`/services/${host}`}>
            {name}
          </Link>
          <div className="sub">{external ? 'outside the mesh' : namespace}</div>
        </>
      ),
    },
    {
      title: 'Ports',
      cell: ({ ports }) => (
        <span className="number">
          {ports.slice(0, 3).map(({ number, protocol }, at) => (
            <span key={number}>
              {at > 0 && ', '}
              {number} <span className="muted">{protocol}</span>
            </span>
          ))}
          {ports.length > 3 && ' …'}
        </span>
      ),
    },
    {
      title: 'Endpoints',
      by: ({ endpoints }) => endpoints.ready,
      cell: ({ endpoints: { ready, total } }) =>
        total === 0 ? (
          none
        ) : (
          <Tag tone={ready === total ? 'good' : ready === 0 ? 'bad' : 'warn'}>
            {ready} of {total} ready
          </Tag>
        ),
    },
    {
      title: 'Versions',
      cell: ({ versions }) => (versions.length > 0 ? versions.join(', ') : none),
    },
    { title: 'Mutual TLS', by: ({ mtls }) => mtls, cell: ({ mtls }) => <MtlsTag mtls={mtls} /> },
    ...(signals.size > 0 ? measured : []),
    { title: 'Routes', right: true, by: ({ routes }) => routes, cell: ({ routes }) => (routes > 0 ? routes : none) },
    {
      title: 'Findings',
      by: ({ findings }) => findings.error * 1000 + findings.warning,
      cell: ({ findings }) => <FindingTags findings={findings} />,
    },
  ]
}
