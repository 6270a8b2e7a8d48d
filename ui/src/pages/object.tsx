import type { ObjectView } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { Code, Copy } from '../parts/code.tsx'
import { FindingList } from '../parts/findings.tsx'
import { Page } from '../parts/page.tsx'

/** An object as it was written, and what was found in it. @param id of its kind */
export function ObjectPage({ id, objectKey }: { readonly id: string; readonly objectKey: string }) {
  const query = new URLSearchParams({ kind: id, key: objectKey })
  const answer = useConsole<ObjectView>(`object?${query}`, 'objects', 'findings')
  const kind = id.slice(id.lastIndexOf('/') + 1)
  const object = answer.data
  return (
    <Page
      title={objectKey}
      lead={
        <>
          {kind}
          {object?.file && (
            <>
              {' in '}
              <span className="mono wrap">
                {object.file}:{object.line}
              </span>
            </>
          )}
        </>
      }
      of={{ text: 'Objects', to: '/configuration' }}
    >
      <Answered to={answer}>{(view) => <Parts object={view} />}</Answered>
    </Page>
  )
}

function Parts({ object: { yaml, messages, file, line = 1, kind, key } }: { readonly object: ObjectView }) {
  // Of a file, lines are counted as they are there, less what comes before the object.
  const from = file === undefined ? 1 : line
  const marked = new Set(
    messages.flatMap(({ position }) => (position && position.file === file ? [position.line] : [])),
  )
  return (
    <div className="grid">
      {messages.length > 0 && (
        <Card title="Findings" flush>
          <FindingList messages={messages} />
        </Card>
      )}
      <Card title="YAML" aside={<Copy text={yaml} what="YAML" />} flush>
        <div style={{ marginTop: 10 }}>
          <Code text={yaml} label={`YAML of ${kind} ${key}`} from={from} marked={marked} />
        </div>
      </Card>
    </div>
  )
}
