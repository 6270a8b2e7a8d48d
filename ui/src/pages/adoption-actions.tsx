import { Button, Modal, Select } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import type { AdoptionBoard, AdoptionRow, AskedOnboarding } from '../../../src/server/console/answers.ts'
import { post } from '../api/ask.ts'
import { Problem } from '../parts/answered.tsx'

type Wish = AskedOnboarding['wish']

/** What can be done about an application on its way, or not begun. */
export function AdoptionActions({ row }: { readonly row: AdoptionRow }) {
  const [asking, setAsking] = useState<'start' | 'undo'>()
  const ask = useMutation<AdoptionBoard, Error, { wish: Wish; step?: string }>({
    mutationFn: (asked) => post<AdoptionBoard>('adoption/wish', { application: row.application, ...asked }),
    onSuccess: () => setAsking(undefined),
  })
  const wishes = possible(row)
  return (
    <>
      {row.asked !== undefined && <span className="sub">asked {row.asked}</span>}
      {wishes.map((wish) => (
        <Button
          key={wish}
          size="xs"
          variant={wish === 'undo' ? 'default' : 'light'}
          loading={ask.isPending && ask.variables?.wish === wish}
          onClick={() => (wish === 'start' || wish === 'undo' ? setAsking(wish) : ask.mutate({ wish }))}
        >
          {LABELS[wish]}
        </Button>
      ))}
      {ask.error && asking === undefined && <Problem error={ask.error} />}
      {asking && (
        <Confirm row={row} wish={asking} close={() => setAsking(undefined)} problem={ask.error}>
          {(step) => (
            <Button
              loading={ask.isPending}
              color={asking === 'undo' ? 'red' : undefined}
              onClick={() => ask.mutate({ wish: asking, ...(step === null ? {} : { step }) })}
            >
              {LABELS[asking]}
            </Button>
          )}
        </Confirm>
      )}
    </>
  )
}

const LABELS: Readonly<Record<Wish, string>> = { start: 'Start', pause: 'Pause', resume: 'Resume', undo: 'Undo' }

function possible({ exempt, steps, wish, asked }: AdoptionRow): readonly Wish[] {
  if (exempt !== undefined || asked !== undefined) return []
  if (steps.length === 0) return ['start']
  const isOver = steps.every(({ standing }) => standing === 'behind' || standing === 'left out')
  const isTaken = steps.some(({ standing }) => standing === 'behind' || standing === 'worse' || standing === 'now')
  const isWorse = steps.some(({ standing }) => standing === 'worse')
  return [
    ...(wish === 'pause' || isWorse ? (['resume'] as const) : []),
    ...(wish === 'go' && !isOver && !isWorse ? (['pause'] as const) : []),
    ...(wish !== 'undo' && isTaken ? (['undo'] as const) : []),
  ]
}

interface ConfirmProps {
  readonly row: AdoptionRow
  readonly wish: 'start' | 'undo'
  readonly close: () => void
  readonly problem: Error | null
  readonly children: (step: string | null) => React.ReactNode
}

function Confirm({ row: { application, steps }, wish, close, problem, children }: ConfirmProps) {
  const taken = steps.filter(({ standing }) => standing !== 'ahead' && standing !== 'left out')
  const [step, setStep] = useState<string | null>(wish === 'undo' ? (taken.at(-1)?.name ?? null) : null)
  const isUndo = wish === 'undo'
  return (
    <Modal
      opened
      onClose={close}
      title={
        <strong>
          {isUndo ? 'Undo' : 'Start'} {application}
        </strong>
      }
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <div style={{ display: 'grid', gap: 16 }}>
        {isUndo ? (
          <p>
            Its steps are taken back one by one, the last first. What others changed meanwhile stays, and nothing is
            taken back that somebody depends on.
          </p>
        ) : (
          <p>
            Each step begins when its evidence is there, is watched for ten minutes, and is taken back by itself where
            the application does worse. Authorization and STRICT wait for seven days of evidence.
          </p>
        )}
        {isUndo && (
          <Select
            label="Down to this step, that one too"
            data={taken.map(({ name, title }) => ({ value: name, label: title }))}
            value={step}
            onChange={setStep}
            allowDeselect={false}
          />
        )}
        {problem && <Problem error={problem} />}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          {children(step)}
        </div>
      </div>
    </Modal>
  )
}
