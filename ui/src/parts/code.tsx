import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import type { DiffLine } from '../../../src/server/console/answers.ts'

interface CodeProps {
  readonly text: string
  readonly label: string
  /** Of its first line. */
  readonly from?: number
  /** Lines that something is said about. */
  readonly marked?: ReadonlySet<number>
}

/** A text with the numbers of its lines. */
export function Code({ text, label, from = 1, marked }: CodeProps) {
  return (
    // What scrolls must be reached with the keyboard
    <section className="code" tabIndex={0} aria-label={label}>
      <pre>
        {text
          .replace(/\n$/, '')
          .split('\n')
          .map((line, at) => (
            // A line is its number
            <span key={at} className={`line${marked?.has(from + at) ? ' marked' : ''}`}>
              <span className="no" aria-hidden="true">
                {from + at}
              </span>
              {line}
            </span>
          ))}
      </pre>
    </section>
  )
}

const SIGNS = { same: ' ', added: '+', removed: '-', skipped: '⋯' } as const

/** What of a text becomes another. */
export function Diff({ lines, label }: { readonly lines: readonly DiffLine[]; readonly label: string }) {
  return (
    // What scrolls must be reached with the keyboard
    <section className="code diff" tabIndex={0} aria-label={label}>
      <pre>
        {lines.map(({ kind, text }, at) => (
          // A line is its place
          <span key={at} className={`line ${kind}`}>
            {SIGNS[kind]} {text}
          </span>
        ))}
      </pre>
    </section>
  )
}

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${what}`}>
          <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={`Copy ${what}`}>
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}
