import { Button, Modal, Slider, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { AskedShift, MeshInfo, ShiftApplied, ShiftPlan, ShiftState } from '../../../src/server/console/answers.ts'
import { post, useConsole } from '../api/ask.ts'
import { Answered, Empty, Problem } from '../parts/answered.tsx'
import { Code, Copy, Diff } from '../parts/code.tsx'
import { FindingList } from '../parts/findings.tsx'
import { evenShares, withShare } from './shares.ts'

/** Spreads the requests to a service over its versions: what would be written is shown before it is. */
export function ShiftDialog({ host, close }: { readonly host: string; readonly close: () => void }) {
  const answer = useConsole<ShiftState>(`services/${encodeURIComponent(host)}/shift`, 'objects')
  return (
    <Modal
      opened
      onClose={close}
      title={<strong>Shift traffic of {host.split('.')[0]}</strong>}
      size="xl"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Answered to={answer}>
        {(state) =>
          state.problem ? <Empty title={state.problem}>{state.remedy}</Empty> : <Form state={state} close={close} />
        }
      </Answered>
    </Modal>
  )
}

function Form({ state, close }: { readonly state: ShiftState; readonly close: () => void }) {
  const { host, versions } = state
  const { data: mesh } = useConsole<MeshInfo>('mesh', 'objects')
  const [shares, setShares] = useState(() => ({
    ...Object.fromEntries(versions.map((version) => [version, 0])),
    ...(state.shares ?? evenShares(versions)),
  }))
  const [header, setHeader] = useState('')
  const audience = audienceOf(header)
  const [asked] = useDebouncedValue<AskedShift>({ host, shares: named(shares), ...(audience ? { audience } : {}) }, 150)
  const plan = useQuery<ShiftPlan, Error>({
    queryKey: ['shift/plan', asked],
    queryFn: () => post<ShiftPlan>('shift/plan', asked),
    meta: { topics: ['objects'] },
    placeholderData: (last) => last,
  })
  const apply = useMutation<ShiftApplied, Error, ShiftPlan>({
    mutationFn: ({ plan }) => post<ShiftApplied>('shift/apply', { ...asked, plan }),
    // It was planned for something else than what is there.
    onError: () => void plan.refetch(),
  })
  const settled = JSON.stringify(asked.shares) === JSON.stringify(named(shares))
  const nothing = plan.data?.changes.every(({ diff }) => diff.length === 0)
  if (apply.data)
    return (
      <div role="status">
        <Empty title="Written">
          {apply.data.written.map((where) => (
            <div key={where}>{where}</div>
          ))}
          <p>The proxies have it in a moment: the signals of the versions show what comes of it.</p>
          <Button mt="sm" onClick={close}>
            Done
          </Button>
        </Empty>
      </div>
    )
  return (
    <div style={{ display: 'grid', gap: 18 }}>
      <div style={{ display: 'grid', gap: 14 }}>
        {versions.map((version) => (
          <div key={version} className="shift-row">
            <strong className="wrap">{version}</strong>
            <Slider
              value={shares[version] ?? 0}
              onChange={(value) => setShares((last) => withShare(last, version, value))}
              label={null}
              thumbLabel={`Share of ${version} in percent`}
              disabled={versions.length === 1}
            />
            <span className="number" style={{ textAlign: 'right' }}>
              {shares[version] ?? 0} %
            </span>
          </div>
        ))}
      </div>
      <TextInput
        label="Only for requests with a header"
        description="NAME=VALUE; all requests where this is empty"
        placeholder="end-user=jason"
        value={header}
        onChange={(event) => setHeader(event.currentTarget.value)}
        error={header !== '' && !audience ? 'Write NAME=VALUE, such as end-user=jason' : undefined}
        size="sm"
      />
      <section aria-label="What would be written" style={{ display: 'grid', gap: 12 }}>
        {plan.error ? (
          <Problem error={plan.error} />
        ) : nothing ? (
          <p className="muted">It is spread so already: nothing would be written.</p>
        ) : (
          plan.data?.changes.map(({ where, diff, yaml, objects }) => (
            <div key={where} className="card">
              <header>
                <h2 className="wrap">{objects.join(' and ')}</h2>
                <div className="aside row">
                  <span className="mono wrap">{where === objects[0] ? 'on the cluster' : where}</span>
                  <Copy text={yaml} what="YAML" />
                </div>
              </header>
              <div style={{ marginTop: 10 }}>
                <Diff lines={diff} label={`Difference in ${where}`} />
              </div>
              <details className="card-body">
                <summary>The whole YAML</summary>
                <Code text={yaml} label={`YAML of ${objects.join(' and ')}`} />
              </details>
            </div>
          ))
        )}
        {plan.data && plan.data.messages.length > 0 && (
          <div className="card">
            <header>
              <h2>What would be found with it</h2>
            </header>
            <FindingList messages={plan.data.messages} />
          </div>
        )}
      </section>
      {apply.error && <Problem error={apply.error} />}
      <div className="row" style={{ justifyContent: 'flex-end' }}>
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        {mesh?.writable !== false && (
          <Button
            onClick={() => plan.data && apply.mutate(plan.data)}
            loading={apply.isPending}
            disabled={
              !plan.data ||
              plan.isFetching ||
              plan.isError ||
              !settled ||
              nothing === true ||
              (header !== '' && !audience)
            }
          >
            Apply
          </Button>
        )}
      </div>
      {mesh?.writable === false && (
        <p className="sub">
          This server changes nothing for people. Copy the YAML, or open the console with weft dashboard, which applies
          as you.
        </p>
      )}
    </div>
  )
}

/** Versions that get nothing need not be named. */
function named(shares: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(shares).filter(([, share]) => share > 0))
}

function audienceOf(text: string): AskedShift['audience'] {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(.+)$/.exec(text.trim()) ?? []
  return name && value ? { by: 'header', name: name.toLowerCase(), value } : undefined
}
