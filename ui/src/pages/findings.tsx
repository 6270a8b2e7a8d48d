import { SegmentedControl, TextInput } from '@mantine/core'
import { IconFilter } from '@tabler/icons-react'
import { useState } from 'react'
import { useSearch } from 'wouter'
import type { Message } from '../../../src/server/console/answers.ts'
import { useConsole } from '../api/ask.ts'
import { Answered, Empty } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { FindingList } from '../parts/findings.tsx'
import { Page } from '../parts/page.tsx'

const MOST = 200

/** What is wrong with what was written. */
export function FindingsPage() {
  const answer = useConsole<readonly Message[]>('findings', 'findings')
  const rule = new URLSearchParams(useSearch()).get('rule') ?? ''
  const [severity, setSeverity] = useState('all')
  const [text, setText] = useState(rule)
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = (message: Message) => {
    const all = [message.rule, message.object, message.field, message.problem, message.position?.file]
      .join(' ')
      .toLowerCase()
    return (severity === 'all' || message.severity === severity) && words.every((word) => all.includes(word))
  }
  return (
    <Page title="Findings" lead="What is wrong with what was written, what proxies refuse, and what would be right.">
      <Answered to={answer}>
        {(messages) => {
          if (messages.length === 0)
            return (
              <Card>
                <Empty title="Nothing was found">
                  Every object says something that can be done, and every proxy took it.
                </Empty>
              </Card>
            )
          const shown = messages.filter(fits)
          const count = (wanted: string) => messages.filter((message) => message.severity === wanted).length
          return (
            <Card flush>
              <div className="row card-body">
                <SegmentedControl
                  size="xs"
                  value={severity}
                  onChange={setSeverity}
                  aria-label="Severity"
                  data={[
                    { value: 'all', label: `All ${messages.length}` },
                    { value: 'error', label: `Errors ${count('error')}` },
                    { value: 'warning', label: `Warnings ${count('warning')}` },
                    { value: 'info', label: `Notes ${count('info')}` },
                  ]}
                />
                <TextInput
                  aria-label="Filter findings"
                  placeholder="Object, rule, file …"
                  leftSection={<IconFilter size={15} aria-hidden="true" />}
                  value={text}
                  onChange={(event) => setText(event.currentTarget.value)}
                  size="xs"
                  w={260}
                />
              </div>
              {shown.length === 0 ? (
                <Empty title="Nothing fits">Change the filter to see more.</Empty>
              ) : (
                <FindingList messages={shown.slice(0, MOST)} />
              )}
              {shown.length > MOST && (
                <p className="sub card-body">
                  The first {MOST} of {shown.length}: filter to see others.
                </p>
              )}
            </Card>
          )
        }}
      </Answered>
    </Page>
  )
}
