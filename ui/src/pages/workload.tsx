import { Tabs } from '@mantine/core'
import { Link } from 'wouter'
import type { PodView, WorkloadView } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { FindingList } from '../parts/findings.tsx'
import { ObjectList } from '../parts/objects.tsx'
import { Page } from '../parts/page.tsx'
import { MtlsTag, ProxyTag, Tag } from '../parts/tag.tsx'
import { duration } from '../parts/time.ts'
import { EdgeTable } from '../telemetry/edge-table.tsx'
import { SignalCharts } from '../telemetry/signal-charts.tsx'

/** All about one workload. @param workload `namespace/name` */
export function WorkloadPage({ workload: key }: { readonly workload: string }) {
  const answer = useConsole<WorkloadView>(`workloads/${key}`, 'objects', 'findings', 'proxies', 'certificates')
  const [namespace = '', name = ''] = key.split('/')
  return (
    <Page title={name} lead={`in namespace ${namespace}`} of={{ text: 'Workloads', to: '/workloads' }}>
      <Answered to={answer}>{(view) => <Parts workload={view} />}</Answered>
    </Page>
  )
}

function Parts({ workload }: { readonly workload: WorkloadView }) {
  const { namespace, name, instances, policies, rules, messages } = workload
  const party = { namespace, workload: name }
  return (
    <Tabs defaultValue="overview" keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">Overview</Tabs.Tab>
        <Tabs.Tab value="signals">Signals</Tabs.Tab>
        <Tabs.Tab value="policies">
          Policies {policies.length > 0 && <span className="muted">{policies.length}</span>}
        </Tabs.Tab>
        <Tabs.Tab value="configuration">
          Routes and rules {rules.length > 0 && <span className="muted">{rules.length}</span>}
        </Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <div className="grid">
          <SignalCharts asked={{ destination: party }} last="5m" compact />
          <div className="column span-8">
            {messages.length > 0 && (
              <Card title="Findings" flush>
                <FindingList messages={messages} />
              </Card>
            )}
            <Card title="Pods" flush>
              <DataTable
                label="Pods"
                rows={instances}
                columns={PODS}
                rowKey={(pod) => pod.key}
                empty={<Empty title="No pod runs" />}
              />
            </Card>
            <Card title="Who calls it" flush>
              <EdgeTable asked={{ destination: party }} last="5m" />
            </Card>
            <Card title="Whom it calls" flush>
              <EdgeTable asked={{ source: party }} last="5m" />
            </Card>
          </div>
          <Card title="About" span={4}>
            <Facts workload={workload} />
          </Card>
        </div>
      </Tabs.Panel>
      <Tabs.Panel value="signals">
        <SignalCharts asked={{ destination: party }} last="1h" />
      </Tabs.Panel>
      <Tabs.Panel value="policies">
        <Card flush>
          <ObjectList objects={policies} none="No policy is for it: whoever reaches it may call it" />
        </Card>
      </Tabs.Panel>
      <Tabs.Panel value="configuration">
        <Card flush>
          <ObjectList objects={rules} none="No route or rule is for its services" />
        </Card>
      </Tabs.Panel>
    </Tabs>
  )
}

const PODS: readonly Column<PodView>[] = [
  {
    title: 'Pod',
    cell: ({ key, address, proxy }) => (
      <>
        {proxy ? (
          <Link className="link" to={`/proxies/${key}`}>
            {key.slice(key.indexOf('/') + 1)}
          </Link>
        ) : (
          key.slice(key.indexOf('/') + 1)
        )}
        <div className="sub mono">{address}</div>
      </>
    ),
  },
  {
    title: 'State',
    cell: ({ ready, phase }) => <Tag tone={ready ? 'good' : 'warn'}>{ready ? 'ready' : phase.toLowerCase()}</Tag>,
  },
  { title: 'Node', cell: ({ node }) => node ?? '–' },
  { title: 'Proxy', cell: ({ proxy }) => (proxy ? <ProxyTag state={proxy.state} /> : <Tag>none</Tag>) },
  { title: 'Envoy', cell: ({ proxy }) => proxy?.envoy ?? '–' },
  {
    title: 'Certificate ends',
    cell: ({ certificate }) =>
      certificate ? `in ${duration(Date.parse(certificate.notAfter) - Date.now())}` : <span className="muted">–</span>,
  },
]

function Facts({ workload: { app, version, role, identities, mtls, services } }: { readonly workload: WorkloadView }) {
  return (
    <dl className="facts">
      <dt>Application</dt>
      <dd>{app}</dd>
      {version && (
        <>
          <dt>Version</dt>
          <dd>{version}</dd>
        </>
      )}
      <dt>Proxy</dt>
      <dd>{role === 'none' ? 'none: it is not in the mesh' : role}</dd>
      <dt>Identity</dt>
      <dd className="mono">{identities.length > 0 ? identities.join(', ') : 'none'}</dd>
      <dt>Mutual TLS</dt>
      <dd>
        <MtlsTag mtls={mtls} />
      </dd>
      <dt>Behind</dt>
      <dd>
        {services.length === 0
          ? 'no service'
          : services.map(({ host }) => (
              <div key={host}>
                <Link className="plain" to={`/services/${host}`}>
                  {host}
                </Link>
              </div>
            ))}
      </dd>
    </dl>
  )
}
