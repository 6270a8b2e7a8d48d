import { Link } from 'wouter'
import type { WorkloadRow } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { FindingTags, MtlsTag, Tag } from '../parts/tag.tsx'

export function WorkloadsPage() {
  const answer = useConsole<readonly WorkloadRow[]>('workloads', 'objects', 'findings', 'proxies')
  return (
    <Page title="Workloads" lead="What runs: Deployments and the like, in the mesh and beside it.">
      <Card flush>
        <Answered to={answer}>
          {(rows) => (
            <DataTable
              label="Workloads"
              rows={rows}
              columns={COLUMNS}
              rowKey={({ namespace, name }) => `${namespace}/${name}`}
              text={({ namespace, name, app, version, role }) => `${namespace} ${name} ${app} ${version} ${role}`}
              empty={
                <Empty title="Nothing runs yet">
                  Add a Deployment to the files that the mesh follows; on a cluster, label a namespace for injection.
                </Empty>
              }
            />
          )}
        </Answered>
      </Card>
    </Page>
  )
}

const COLUMNS: readonly Column<WorkloadRow>[] = [
  {
    title: 'Workload',
    by: ({ name }) => name,
    cell: ({ namespace, name }) => (
      <>
        <Link className="link" to={`/workloads/${namespace}/${name}`}>
          {name}
        </Link>
        <div className="sub">{namespace}</div>
      </>
    ),
  },
  { title: 'Application', by: ({ app }) => app, cell: ({ app }) => app || '–' },
  { title: 'Version', by: ({ version }) => version, cell: ({ version }) => version || '–' },
  {
    title: 'Proxy',
    by: ({ role }) => role,
    cell: ({ role }) => (role === 'none' ? <Tag>not in the mesh</Tag> : role),
  },
  { title: 'Pods', right: true, by: ({ pods }) => pods, cell: ({ pods }) => pods },
  {
    title: 'Configuration',
    by: ({ proxies }) => proxies.disconnected * 100 + proxies.rejected * 1000 + proxies.updating,
    cell: ({ role, proxies }) => (role === 'none' ? '–' : <ProxyStates proxies={proxies} />),
  },
  { title: 'Mutual TLS', by: ({ mtls }) => mtls, cell: ({ mtls }) => <MtlsTag mtls={mtls} /> },
  {
    title: 'Findings',
    by: ({ findings }) => findings.error * 1000 + findings.warning,
    cell: ({ findings }) => <FindingTags findings={findings} />,
  },
]

function ProxyStates({ proxies: { synced, updating, rejected, disconnected } }: Pick<WorkloadRow, 'proxies'>) {
  if (updating + rejected + disconnected === 0) return <Tag tone="good">synced</Tag>
  return (
    <span className="row">
      {rejected > 0 && <Tag tone="bad">{rejected} rejected</Tag>}
      {disconnected > 0 && <Tag tone="warn">{disconnected} not connected</Tag>}
      {updating > 0 && <Tag tone="note">{updating} updating</Tag>}
      {synced > 0 && <Tag tone="good">{synced} synced</Tag>}
    </span>
  )
}
