import { Link } from 'wouter'
import type { BurnRate, SloState, SloStatus } from '../../../src/telemetry/questions/slos.ts'
import { useAsk } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { sentence } from '../parts/findings.tsx'
import { Page } from '../parts/page.tsx'
import { Tag, type Tone } from '../parts/tag.tsx'
import { duration } from '../parts/time.ts'

/** What was promised of services, and how it stands. */
export default function ObjectivesPage() {
  const answer = useAsk<readonly SloStatus[]>('slos', ['alerts', 'objects'])
  return (
    <Page
      title="Objectives"
      lead="What was promised of services, how much of each error budget is left, and how fast it is used up."
    >
      <Answered to={answer}>
        {(slos) => (
          <div className="grid">
            <Card flush>
              <DataTable
                label="Objectives"
                rows={slos}
                columns={COLUMNS}
                rowKey={keyOf}
                text={({ namespace, name, target, state }) => `${namespace}/${name} ${target} ${state}`}
                empty={
                  <Empty title="Nothing is promised">
                    Write a ServiceLevelObjective, such as 99.9 % of the requests to a service answered over 30 days.
                  </Empty>
                }
              />
            </Card>
            <Problems slos={slos} />
          </div>
        )}
      </Answered>
    </Page>
  )
}

function keyOf({ namespace, name }: SloStatus): string {
  return `${namespace}/${name}`
}

/** What is to be said of how they are measured. */
function Problems({ slos }: { readonly slos: readonly SloStatus[] }) {
  const all = slos.flatMap((slo) => slo.problems.map((problem) => ({ key: keyOf(slo), problem })))
  if (all.length === 0) return null
  return (
    <Card title="How they are measured" flush>
      <ul className="list">
        {all.map(({ key, problem }) => (
          <li key={`${key} ${problem}`} className="wrap">
            <strong>{key}</strong>
            <div>{sentence(problem)}</div>
          </li>
        ))}
      </ul>
    </Card>
  )
}

const STATES: Readonly<Record<SloState, Tone>> = { met: 'good', 'at risk': 'warn', missed: 'bad', 'no data': 'calm' }
const GRAVITY: readonly SloState[] = ['missed', 'at risk', 'met', 'no data']

const COLUMNS: readonly Column<SloStatus>[] = [
  {
    title: 'Objective',
    by: keyOf,
    cell: ({ namespace, name, target, description }) => (
      <>
        <strong>{name}</strong> <span className="muted">{namespace}</span>
        <div className="sub wrap">
          {target.includes('.svc.') && !target.includes(' ') ? (
            <Link className="plain" to={`/services/${target}`}>
              {target}
            </Link>
          ) : (
            target
          )}
        </div>
        {description && <div className="sub wrap">{description}</div>}
      </>
    ),
  },
  {
    title: 'State',
    by: ({ state }) => GRAVITY.indexOf(state),
    cell: ({ state }) => <Tag tone={STATES[state]}>{state}</Tag>,
  },
  {
    title: 'Promised',
    by: ({ objective }) => objective,
    cell: ({ objective, indicator, window }) => (
      <>
        {percent(objective)} {indicator}
        <div className="sub">{window.name}</div>
      </>
    ),
  },
  {
    title: 'Kept',
    by: ({ achieved }) => achieved ?? 2,
    right: true,
    cell: ({ achieved, bad, requests }) => (
      <>
        {achieved === null ? '–' : percent(achieved)}
        <div className="sub">{requests > 0 ? `${Math.round(bad)} bad of ${Math.round(requests)}` : 'no request'}</div>
      </>
    ),
  },
  { title: 'Budget left', by: ({ budgetLeft }) => budgetLeft ?? 2, cell: (slo) => <Budget slo={slo} /> },
  { title: 'Burns', cell: ({ burn }) => <Burn rates={burn} /> },
]

function Budget({ slo: { budgetLeft } }: { readonly slo: SloStatus }) {
  if (budgetLeft === null) return <span className="muted">–</span>
  const tone = budgetLeft <= 0 ? 'bad' : budgetLeft < 0.25 ? 'warn' : 'good'
  const share = Math.max(0, Math.min(1, budgetLeft))
  return (
    <div style={{ minWidth: 110 }}>
      {percent(budgetLeft, 1)}
      <div className="bar" style={{ marginTop: 5, height: 5 }} aria-hidden="true">
        <span className={`dot ${tone}`} style={{ width: `${share * 100}%`, height: 5, borderRadius: 0 }} />
      </div>
    </div>
  )
}

/** How many times faster than it may, over each of the long windows. */
function Burn({ rates }: { readonly rates: readonly BurnRate[] }) {
  return (
    <span className="row">
      {rates.map(({ long, short, above, longWindow, severity }) => {
        const tooFast = long !== null && short !== null && long > above && short > above
        return (
          <Tag key={`${longWindow} ${above}`} tone={tooFast ? (severity === 'critical' ? 'bad' : 'warn') : 'calm'}>
            {long === null ? '–' : `${long.toFixed(1)}×`} in {duration(longWindow)}
          </Tag>
        )
      })}
    </span>
  )
}

function percent(share: number, digits = 3): string {
  return `${Number((share * 100).toFixed(digits))} %`
}
