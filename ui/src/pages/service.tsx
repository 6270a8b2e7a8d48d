import { Button, Tabs } from '@mantine/core'
import { IconArrowsSplit } from '@tabler/icons-react'
import { useState } from 'react'
import { Link } from 'wouter'
import type { EndpointView, ServiceView } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { FindingList } from '../parts/findings.tsx'
import { ObjectLink, ObjectList } from '../parts/objects.tsx'
import { Page } from '../parts/page.tsx'
import { Routes } from '../parts/routes.tsx'
import { MtlsTag, Tag } from '../parts/tag.tsx'
import { ShiftDialog } from '../shift/shift-dialog.tsx'
import { EdgeTable } from '../telemetry/edge-table.tsx'
import { SignalCharts } from '../telemetry/signal-charts.tsx'

/** All about one service. */
export function ServicePage({ host }: { readonly host: string }) {
  const answer = useConsole<ServiceView>(`services/${encodeURIComponent(host)}`, 'objects', 'findings')
  const [shifting, setShifting] = useState(false)
  const service = answer.data
  return (
    <Page
      title={service?.name ?? host}
      lead={host}
      of={{ text: 'Services', to: '/services' }}
      tools={
        service &&
        !service.external && (
          <Button
            leftSection={<IconArrowsSplit size={17} aria-hidden="true" />}
            onClick={() => setShifting(true)}
            size="sm"
          >
            Shift traffic
          </Button>
        )
      }
    >
      <Answered to={answer}>{(view) => <Parts service={view} />}</Answered>
      {shifting && <ShiftDialog host={host} close={() => setShifting(false)} />}
    </Page>
  )
}

function Parts({ service }: { readonly service: ServiceView }) {
  const { host, drawn, rules, policies, messages, serving } = service
  return (
    <Tabs defaultValue="overview" keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">Overview</Tabs.Tab>
        <Tabs.Tab value="signals">Signals</Tabs.Tab>
        <Tabs.Tab value="endpoints">
          Endpoints {serving.length > 0 && <span className="muted">{serving.length}</span>}
        </Tabs.Tab>
        <Tabs.Tab value="policies">
          Policies {policies.length > 0 && <span className="muted">{policies.length}</span>}
        </Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <div className="grid">
          <SignalCharts asked={{ destination: { service: host } }} last="5m" compact />
          <div className="column span-8">
            {messages.length > 0 && (
              <Card title="Findings" flush>
                <FindingList messages={messages} />
              </Card>
            )}
            <Card title="Where calls of it go">
              <Routes routes={drawn} name={service.name} versions={service.versions} />
            </Card>
            <Card title="Who calls it" flush>
              <EdgeTable asked={{ destination: { service: host } }} last="5m" />
            </Card>
          </div>
          <div className="column span-4">
            <Card title="About">
              <Facts service={service} />
            </Card>
            {rules.length > 0 && (
              <Card title="How calls are made" flush>
                <ObjectList objects={rules} none="" />
              </Card>
            )}
          </div>
        </div>
      </Tabs.Panel>
      <Tabs.Panel value="signals">
        <SignalCharts asked={{ destination: { service: host } }} last="1h" by="version" />
      </Tabs.Panel>
      <Tabs.Panel value="endpoints">
        <Card flush>
          <DataTable
            label="Endpoints"
            rows={serving}
            columns={ENDPOINTS}
            rowKey={({ address, pod }) => `${address} ${pod}`}
            text={({ address, pod = '', version = '' }) => `${address} ${pod} ${version}`}
            empty={
              <Empty title="Nobody serves it">
                Its selector fits no pod that runs: compare it with the labels of the Deployment's template.
              </Empty>
            }
          />
        </Card>
      </Tabs.Panel>
      <Tabs.Panel value="policies">
        <Card flush>
          <ObjectList objects={policies} none="No policy is for what serves it" />
        </Card>
      </Tabs.Panel>
    </Tabs>
  )
}

const ENDPOINTS: readonly Column<EndpointView>[] = [
  {
    title: 'Pod',
    by: ({ pod, address }) => pod ?? address,
    cell: ({ pod, workload }) =>
      pod === undefined ? (
        <span className="muted">no pod</span>
      ) : (
        <>
          <Link className="link" to={`/proxies/${pod}`}>
            {pod}
          </Link>
          {workload && <div className="sub">{workload}</div>}
        </>
      ),
  },
  { title: 'Address', by: ({ address }) => address, cell: ({ address }) => <span className="mono">{address}</span> },
  { title: 'Version', by: ({ version = '' }) => version, cell: ({ version }) => version ?? '–' },
  { title: 'Zone', by: ({ zone = '' }) => zone, cell: ({ zone }) => zone ?? '–' },
  {
    title: 'State',
    by: ({ ready }) => (ready ? 1 : 0),
    cell: ({ ready }) => <Tag tone={ready ? 'good' : 'warn'}>{ready ? 'ready' : 'not ready'}</Tag>,
  },
  { title: 'Mutual TLS', by: ({ mtls }) => mtls, cell: ({ mtls }) => <MtlsTag mtls={mtls} /> },
]

function Facts({ service }: { readonly service: ServiceView }) {
  const { object, ports, addresses, endpoints, versions, mtls, external } = service
  return (
    <dl className="facts">
      <dt>Written as</dt>
      <dd>
        <ObjectLink object={object} />
      </dd>
      <dt>Ports</dt>
      <dd>
        {ports.map(({ number, name, protocol }) => `${number}${name ? ` ${name}` : ''} (${protocol})`).join(', ')}
      </dd>
      <dt>Endpoints</dt>
      <dd>
        {endpoints.ready} of {endpoints.total} ready
      </dd>
      {versions.length > 0 && (
        <>
          <dt>Versions</dt>
          <dd>{versions.join(', ')}</dd>
        </>
      )}
      <dt>Mutual TLS</dt>
      <dd>{external ? 'outside the mesh' : <MtlsTag mtls={mtls} />}</dd>
      {addresses.length > 0 && (
        <>
          <dt>Addresses</dt>
          <dd className="mono">{addresses.join(', ')}</dd>
        </>
      )}
    </dl>
  )
}
