import { Link } from 'wouter'
import type { ConfiguredResource, ProxyTypeView, ProxyView } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ObjectLink } from '../parts/objects.tsx'
import { Page } from '../parts/page.tsx'
import { ProxyTag, Tag } from '../parts/tag.tsx'
import { ago } from '../parts/time.ts'

/** All about one Envoy. @param proxy `namespace/pod` */
export function ProxyPage({ proxy: key }: { readonly proxy: string }) {
  const answer = useConsole<ProxyView>(`proxies/${key}`, 'objects', 'proxies')
  return (
    <Page title={key.slice(key.indexOf('/') + 1)} lead={`Proxy of pod ${key}`} of={{ text: 'Proxies', to: '/proxies' }}>
      <Answered to={answer}>{(proxy) => <Parts proxy={proxy} />}</Answered>
    </Page>
  )
}

function Parts({ proxy }: { readonly proxy: ProxyView }) {
  const { workload, role, state, envoy, connectedSince, types, rejected, resources } = proxy
  return (
    <div className="grid">
      <Card title="About" span={4}>
        <dl className="facts">
          <dt>State</dt>
          <dd>
            <ProxyTag state={state} />
          </dd>
          <dt>Workload</dt>
          <dd>
            <Link className="plain" to={`/workloads/${workload}`}>
              {workload}
            </Link>
          </dd>
          <dt>Role</dt>
          <dd>{role}</dd>
          <dt>Envoy</dt>
          <dd>{envoy ?? 'unknown'}</dd>
          <dt>Connected</dt>
          <dd>{connectedSince === undefined ? 'no: it keeps what it has' : ago(connectedSince)}</dd>
        </dl>
      </Card>
      <Card title="What it asks for" span={8} flush>
        <DataTable
          label="Types of configuration"
          rows={types}
          columns={TYPES}
          rowKey={({ type }) => type}
          empty={
            <Empty title="It asks for nothing">It is not connected. See whether its pod and the server run.</Empty>
          }
        />
      </Card>
      {rejected.length > 0 && (
        <Card title="What it refused" flush>
          <ul className="list">
            {rejected.map(({ type, name, error }) => (
              <li key={`${type} ${name}`}>
                <Tag tone="bad">refused</Tag> <strong>{type}</strong> <span className="mono wrap">{name}</span>
                <pre className="code">{error}</pre>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <Card title="Where its configuration comes from" flush>
        <DataTable
          label="Configuration"
          rows={resources}
          columns={RESOURCES}
          rowKey={({ type, name }) => `${type} ${name}`}
          text={({ type, name, sources }) =>
            `${type} ${name} ${sources.map(({ kind, key }) => `${kind} ${key}`).join(' ')}`
          }
          empty={<Empty title="Nothing of it was written by anybody" />}
        />
      </Card>
    </div>
  )
}

const STATES: Readonly<Record<string, 'good' | 'bad' | 'note'>> = { synced: 'good', rejected: 'bad' }

const TYPES: readonly Column<ProxyTypeView>[] = [
  { title: 'Type', by: ({ type }) => type, cell: ({ type }) => type },
  { title: 'State', by: ({ state }) => state, cell: ({ state }) => <Tag tone={STATES[state] ?? 'note'}>{state}</Tag> },
  { title: 'Resources', right: true, by: ({ resources }) => resources, cell: ({ resources }) => resources },
  { title: 'On their way', right: true, by: ({ pending }) => pending, cell: ({ pending }) => pending },
]

const RESOURCES: readonly Column<ConfiguredResource>[] = [
  { title: 'Type', by: ({ type }) => type, cell: ({ type }) => type },
  { title: 'Name', by: ({ name }) => name, cell: ({ name }) => <span className="mono wrap">{name}</span> },
  {
    title: 'Made from',
    cell: ({ sources }) =>
      sources.slice(0, 4).map((object) => (
        <div key={`${object.id} ${object.key}`}>
          <ObjectLink object={object} />
        </div>
      )),
  },
]
