import { Switch } from '@mantine/core'
import { IconCheck } from '@tabler/icons-react'
import { useState } from 'react'
import { Link } from 'wouter'
import type {
  AlertSeverity,
  AlertsAnswer,
  ReceiverStatus,
  SilenceStatus,
} from '../../../src/telemetry/questions/alerts.ts'
import { useAsk } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { sentence } from '../parts/findings.tsx'
import { Page } from '../parts/page.tsx'
import { Tag, type Tone } from '../parts/tag.tsx'
import { ago, clock } from '../parts/time.ts'
import { whyPath } from '../telemetry/why-link.tsx'

type Shown = AlertsAnswer['alerts'][number]

/** What fires, who is told of it, and what is kept quiet. */
export default function AlertsPage() {
  const answer = useAsk<AlertsAnswer>('alerts', ['alerts', 'objects'])
  const [all, setAll] = useState(false)
  return (
    <Page
      title="Alerts"
      lead="What fires now, and what ended lately. Objectives alert by how fast their budget is used up."
    >
      <Answered to={answer}>
        {({ alerts, receivers, silences, problems }) => (
          <div className="grid">
            <Card flush>
              <DataTable
                label="Alerts"
                rows={alerts.filter(({ state }) => all || state !== 'resolved')}
                columns={COLUMNS}
                rowKey={({ key, since, state }) => `${key} ${since} ${state}`}
                text={({ summary, rule, severity, state }) =>
                  `${summary} ${rule.namespace}/${rule.name} ${severity} ${state}`
                }
                tools={
                  <Switch
                    size="xs"
                    label="Those that ended, too"
                    checked={all}
                    onChange={(event) => setAll(event.currentTarget.checked)}
                  />
                }
                empty={
                  <>
                    <div className="empty">
                      <IconCheck size={28} aria-hidden="true" />
                      <strong>Nothing fires</strong>
                      {all
                        ? 'Nothing ended lately, either.'
                        : 'An AlertRule or a ServiceLevelObjective says what is to alert.'}
                    </div>
                    <div className="card-body">
                      <Switch
                        size="xs"
                        label="Show those that ended"
                        checked={all}
                        onChange={(event) => setAll(event.currentTarget.checked)}
                      />
                    </div>
                  </>
                }
              />
            </Card>
            <Card title="Who is told" span={7} flush>
              <DataTable
                label="Receivers"
                rows={receivers}
                columns={RECEIVERS}
                rowKey={({ namespace, name }) => `${namespace}/${name}`}
                empty={
                  <Empty title="Nobody is told">
                    Write an AlertReceiver: a webhook, PagerDuty, Slack, ServiceNow, xMatters or SNMP.
                  </Empty>
                }
              />
            </Card>
            <Card title="Kept quiet" span={5} flush>
              <Silences silences={silences.filter(({ active }) => active)} />
            </Card>
            {problems.length > 0 && (
              <Card title="Nothing can be told of these rules" flush>
                <ul className="list">
                  {problems.map(({ rule, problem }) => (
                    <li key={`${rule.namespace}/${rule.name}`} className="wrap">
                      <strong>
                        {rule.namespace}/{rule.name}
                      </strong>
                      <div>{sentence(problem)}</div>
                    </li>
                  ))}
                </ul>
              </Card>
            )}
          </div>
        )}
      </Answered>
    </Page>
  )
}

function Silences({ silences }: { readonly silences: readonly SilenceStatus[] }) {
  if (silences.length === 0)
    return <Empty title="Nothing is kept quiet">weft alerts silence keeps alerts quiet for some time.</Empty>
  return (
    <ul className="list">
      {silences.map(({ namespace, name, reason, by, until }) => (
        <li key={`${namespace}/${name}`} className="wrap">
          <strong>{reason}</strong>
          <div className="sub">
            {namespace}/{name}, until {clock(until)}
            {by && `, by ${by}`}
          </div>
        </li>
      ))}
    </ul>
  )
}

const SEVERITIES: Readonly<Record<AlertSeverity, Tone>> = { critical: 'bad', warning: 'warn', info: 'note' }
const STATES: readonly Shown['state'][] = ['firing', 'pending', 'resolved']

const COLUMNS: readonly Column<Shown>[] = [
  {
    title: 'State',
    by: ({ state }) => STATES.indexOf(state),
    cell: ({ state, silencedBy, noDataSince }) => (
      <span className="row">
        <Tag tone={state === 'resolved' ? 'good' : state === 'firing' && !silencedBy ? 'bad' : 'calm'}>{state}</Tag>
        {silencedBy && <Tag>quiet</Tag>}
        {noDataSince !== null && <Tag tone="note">no data</Tag>}
      </span>
    ),
  },
  {
    title: 'Severity',
    by: ({ severity }) => Object.keys(SEVERITIES).indexOf(severity),
    cell: ({ severity }) => <Tag tone={SEVERITIES[severity]}>{severity}</Tag>,
  },
  {
    title: 'What',
    by: ({ summary }) => summary,
    cell: ({ summary, rule, runbook, ended, labels }) => (
      <>
        <span className="wrap">{sentence(summary)}</span>
        <div className="sub">
          {rule.namespace}/{rule.name}
          {ended && `, ended as ${ended}`}
          {labels['service'] && (
            <>
              {' · '}
              <Link className="plain" to={whyPath({ destination: { service: labels['service'] } }, '1h')}>
                why?
              </Link>
            </>
          )}
          {/^https?:/.test(runbook) && (
            <>
              {' · '}
              <a className="plain" href={runbook} target="_blank" rel="noreferrer">
                what to do
              </a>
            </>
          )}
        </div>
      </>
    ),
  },
  {
    title: 'Since',
    by: ({ firedAt, since }) => firedAt ?? since,
    right: true,
    cell: ({ firedAt, since, resolvedAt }) => (
      <>
        {clock(firedAt ?? since)}
        {resolvedAt !== null && <div className="sub">until {clock(resolvedAt)}</div>}
      </>
    ),
  },
]

const RECEIVERS: readonly Column<ReceiverStatus>[] = [
  {
    title: 'Receiver',
    by: ({ namespace, name }) => `${namespace}/${name}`,
    cell: ({ namespace, name, type }) => (
      <>
        <strong>{name}</strong> <span className="muted">{namespace}</span>
        <div className="sub">{type}</div>
      </>
    ),
  },
  {
    title: 'State',
    cell: ({ problem, waiting }) =>
      problem ? (
        <>
          <Tag tone="bad">not told</Tag>
          <div className="sub wrap">
            {waiting} waiting: {problem}
          </div>
        </>
      ) : (
        <Tag tone={waiting > 0 ? 'note' : 'good'}>{waiting > 0 ? `${waiting} waiting` : 'told'}</Tag>
      ),
  },
  {
    title: 'Last told',
    by: ({ lastTold }) => lastTold ?? 0,
    right: true,
    cell: ({ lastTold }) => (lastTold === null ? 'never' : ago(lastTold)),
  },
]
