import { UnstyledButton } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { AdoptionBoard, AdoptionRow, AdoptionStep } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { Page } from '../parts/page.tsx'
import { ShareBar } from '../parts/share-bar.tsx'
import { Tag, type Tone } from '../parts/tag.tsx'
import { ago } from '../parts/time.ts'
import { AdoptionActions } from './adoption-actions.tsx'

/** How far each application is on its way into the mesh. */
export function AdoptionPage() {
  const answer = useConsole<AdoptionBoard>('adoption', 'adoption')
  return (
    <Page title="Adoption" lead="How far each application is on its way into the mesh, and what holds it.">
      <Answered to={answer}>{(board) => <Board board={board} />}</Answered>
    </Page>
  )
}

function Board({ board: { folder, applications, problems } }: { readonly board: AdoptionBoard }) {
  const [chosen, setChosen] = useState<string>()
  const row = applications.find(({ application }) => application === chosen)
  if (folder === null)
    return (
      <Card>
        <Empty title="This mesh was not told of an adoption">
          Start it with <code>weft up --adoption FOLDER</code>, or look in a terminal with{' '}
          <code>weft adopt status</code>.
        </Empty>
      </Card>
    )
  const count = (standing: Standing) => applications.filter((each) => standingOf(each) === standing).length
  return (
    <div className="grid">
      <Card title="All applications">
        <ShareBar label="Applications" shares={STANDINGS.map(([name, tone]) => ({ name, tone, count: count(name) }))} />
        {problems.map((problem) => (
          <p key={problem} className="sub">
            {problem}
          </p>
        ))}
      </Card>
      <Card flush>
        <DataTable
          label="applications"
          rows={applications}
          columns={columns(setChosen)}
          rowKey={({ application }) => application}
          text={({ application, team = '', criticality = '', held }) =>
            [application, team, criticality, ...held.map(({ says }) => says)].join(' ')
          }
          empty={
            <Empty title="The inventory is empty">
              List what there is with <code>weft adopt import</code>.
            </Empty>
          }
        />
      </Card>
      {row && <Evidence row={row} />}
    </div>
  )
}

type Standing = 'arrived' | 'on its way' | 'held' | 'worse' | 'not begun' | 'exempt'

const STANDINGS: readonly (readonly [Standing, Tone])[] = [
  ['arrived', 'good'],
  ['on its way', 'note'],
  ['held', 'warn'],
  ['worse', 'bad'],
  ['not begun', 'calm'],
  ['exempt', 'calm'],
]

function standingOf({ exempt, steps, held }: AdoptionRow): Standing {
  if (exempt !== undefined) return 'exempt'
  if (steps.length === 0) return 'not begun'
  if (steps.some(({ standing }) => standing === 'worse')) return 'worse'
  if (steps.every(({ standing }) => standing === 'behind' || standing === 'left out')) return 'arrived'
  // Who is watched, or waits for calls, is not held by anything that somebody should mend.
  return held.some(({ remedy }) => !remedy?.startsWith('wait')) ? 'held' : 'on its way'
}

function currentOf({ steps }: AdoptionRow): AdoptionStep | undefined {
  return steps.find(({ standing }) => standing === 'now' || standing === 'undone')
}

function behind({ steps }: AdoptionRow): number {
  return steps.filter(({ standing }) => PASSED.has(standing)).length
}

const PASSED: ReadonlySet<AdoptionStep['standing']> = new Set(['behind', 'worse', 'left out'])

/** A part for each step. */
function Progress({ row }: { readonly row: AdoptionRow }) {
  return (
    <div
      className="bar"
      role="img"
      aria-label={`${behind(row)} of ${row.steps.length} steps`}
      style={{ minWidth: 120 }}
    >
      {row.steps.map(({ name, standing }) => (
        <span
          key={name}
          className={standing === 'ahead' ? '' : `dot ${STEP_TAGS[standing][0]}`}
          style={{ flex: '1 0 0', height: 8, borderRadius: 0 }}
        />
      ))}
    </div>
  )
}

function columns(choose: (application: string) => void): readonly Column<AdoptionRow>[] {
  return [
    {
      title: 'Application',
      by: ({ application }) => application,
      cell: ({ application }) => (
        <UnstyledButton className="link" onClick={() => choose(application)}>
          {application}
        </UnstyledButton>
      ),
    },
    { title: 'Team', by: ({ team = '' }) => team, cell: ({ team }) => team ?? '–' },
    { title: 'Criticality', by: ({ criticality = '' }) => criticality, cell: ({ criticality }) => criticality ?? '–' },
    {
      title: 'Standing',
      by: standingOf,
      cell: (row) => {
        const standing = standingOf(row)
        return <Tag tone={STANDINGS.find(([name]) => name === standing)?.[1] ?? 'calm'}>{standing}</Tag>
      },
    },
    {
      title: 'Step',
      by: behind,
      cell: (row) => {
        const current = currentOf(row)
        if (row.steps.length === 0) return '–'
        return (
          <>
            <Progress row={row} />
            {behind(row)} of {row.steps.length}
            {current && (
              <div className="sub">
                {current.title}, {ago(current.since)}
              </div>
            )}
          </>
        )
      },
    },
    {
      title: 'What holds it',
      cell: ({ exempt, held: [first, ...others] }) =>
        exempt ??
        (first ? (
          <>
            {first.says}
            {others.length > 0 && ` (and ${others.length} more)`}
            {first.remedy && <div className="sub">{first.remedy}</div>}
          </>
        ) : (
          '–'
        )),
    },
    {
      title: 'Dashboard',
      cell: ({ workloads }) => (
        <>
          {workloads.map((workload) => (
            <div key={workload}>
              <Link className="link" to={`/workloads/${workload}`}>
                {workload.split('/')[1]}
              </Link>
            </div>
          ))}
        </>
      ),
    },
  ]
}

const STEP_TAGS: Readonly<Record<AdoptionStep['standing'], readonly [Tone, string]>> = {
  behind: ['good', 'done'],
  worse: ['bad', 'worse since'],
  now: ['note', 'now'],
  ahead: ['calm', 'ahead'],
  'left out': ['calm', 'left out'],
  undone: ['warn', 'taken back'],
}

function Evidence({ row }: { readonly row: AdoptionRow }) {
  const { application, steps } = row
  return (
    <Card title={`${application}: every step, with its evidence`} aside={<AdoptionActions row={row} />} flush>
      {steps.length === 0 && (
        <Empty title="It is not on its way">
          Begin with <code>weft adopt onboard {application}</code>.
        </Empty>
      )}
      <ul className="list">
        {steps.map(({ title, standing, evidence }) => (
          <li key={title} className="row">
            <div className="grow">
              {title}
              {evidence.map(({ says, holds }) => (
                <div key={says} className="sub">
                  {holds ? '✓' : '✗'} {says}
                </div>
              ))}
            </div>
            <Tag tone={STEP_TAGS[standing][0]}>{STEP_TAGS[standing][1]}</Tag>
          </li>
        ))}
      </ul>
    </Card>
  )
}
