import { Link } from 'wouter'
import type { ProxyRow } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { ProxyTag } from '../parts/tag.tsx'
import { ago } from '../parts/time.ts'

export function ProxiesPage() {
  const answer = useConsole<readonly ProxyRow[]>('proxies', 'objects', 'proxies')
  return (
    <Page title="Proxies" lead="Every Envoy of the mesh, and whether it has the newest configuration.">
      <Card flush>
        <Answered to={answer}>
          {(rows) => (
            <DataTable
              label="Proxies"
              rows={rows}
              columns={COLUMNS}
              rowKey={({ proxy }) => proxy}
              text={({ proxy, state, role, envoy = '' }) => `${proxy} ${state} ${role} ${envoy}`}
              empty={<Empty title="No proxies yet">They appear here as soon as a pod of the mesh starts.</Empty>}
            />
          )}
        </Answered>
      </Card>
    </Page>
  )
}

const COLUMNS: readonly Column<ProxyRow>[] = [
  {
    title: 'Proxy',
    by: ({ proxy }) => proxy,
    cell: ({ proxy, workload }) => (
      <>
        <Link className="link" to={`/proxies/${proxy}`}>
          {proxy}
        </Link>
        <div className="sub">{workload}</div>
      </>
    ),
  },
  { title: 'Role', by: ({ role }) => role, cell: ({ role }) => role },
  { title: 'Configuration', by: ({ state }) => state, cell: ({ state }) => <ProxyTag state={state} /> },
  {
    title: 'Resources',
    right: true,
    by: ({ types }) => types.reduce((sum, { resources }) => sum + resources, 0),
    cell: ({ types }) => types.reduce((sum, { resources }) => sum + resources, 0),
  },
  { title: 'Envoy', by: ({ envoy = '' }) => envoy, cell: ({ envoy }) => envoy ?? '–' },
  {
    title: 'Connected',
    by: ({ connectedSince = 0 }) => connectedSince,
    cell: ({ connectedSince }) => (connectedSince === undefined ? 'no' : ago(connectedSince)),
  },
]
