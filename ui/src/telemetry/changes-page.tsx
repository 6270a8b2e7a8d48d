import { useState } from 'react'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { Page } from '../parts/page.tsx'
import { percent } from '../parts/time.ts'
import { ChangeList } from './change-list.tsx'
import { LazyChart } from './lazy-chart.tsx'
import { type Span, STEPS, useChanges, useSignals } from './questions.ts'
import { SpanChoice } from './signal-charts.tsx'

/** What was configured when, on one time line with what came of requests. */
export default function ChangesPage() {
  const [last, setLast] = useState<Span>('6h')
  const answer = useChanges(last, 200)
  const { data: signals } = useSignals({ last, step: STEPS[last] })
  const [whole] = signals?.series ?? []
  return (
    <Page
      title="Changes"
      lead="What was configured when, beside the errors of that time."
      tools={<SpanChoice last={last} setLast={setLast} />}
    >
      <Answered to={answer}>
        {(changes) => (
          <div className="grid">
            {whole && (
              <Card title="Errors of all requests">
                <LazyChart
                  height={140}
                  label={`Errors of all requests: ${percent(whole.total.errorShare)}`}
                  times={whole.points.map(({ at }) => at)}
                  lines={[
                    {
                      name: 'errors',
                      tone: 'bad',
                      filled: true,
                      values: whole.points.map(({ errorShare }) => errorShare),
                    },
                  ]}
                  unit={percent}
                  marks={changes.map(({ at }) => at)}
                />
                <p className="legend">┆ something was configured</p>
              </Card>
            )}
            <Card flush>
              {changes.length === 0 ? (
                <Empty title="Nothing was configured in this time">Look further back, or change something.</Empty>
              ) : (
                <ChangeList changes={changes} />
              )}
            </Card>
          </div>
        )}
      </Answered>
    </Page>
  )
}
