import { Autocomplete, Button, NumberInput, Select, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import type { CallVerdict, ProxyRow, TriedCall, WorkloadRow } from '../../../src/server/console/answers.ts'
import { post, useConsole } from '../api/ask.ts'
import { Problem } from '../parts/answered.tsx'
import { Card } from '../parts/card.tsx'
import { sentence } from '../parts/findings.tsx'
import { Tag } from '../parts/tag.tsx'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']

/** A call that is decided upon as the called proxy would, without being made. */
export function CallTrial() {
  const { data: proxies = [] } = useConsole<readonly ProxyRow[]>('proxies', 'objects', 'proxies')
  const { data: workloads = [] } = useConsole<readonly WorkloadRow[]>('workloads', 'objects', 'findings', 'proxies')
  const [to, setTo] = useState<string | null>(null)
  const [from, setFrom] = useState('')
  const [method, setMethod] = useState<string | null>('GET')
  const [path, setPath] = useState('/')
  const [port, setPort] = useState<string | number>('')
  const [header, setHeader] = useState('')
  const trial = useMutation<CallVerdict, Error, TriedCall>({ mutationFn: (call) => post('call', call) })
  const identities = [...new Set(workloads.flatMap((row) => row.identities))].map((id) => id.replace('spiffe://', ''))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!to) return
    trial.mutate({
      to,
      from: from.trim(),
      method: method ?? 'GET',
      path,
      headers: header.trim() ? [header.trim()] : [],
      ...(typeof port === 'number' ? { port } : {}),
    })
  }
  return (
    <Card title="Try a call" span={7}>
      <form onSubmit={submit} style={{ display: 'grid', gap: 12 }}>
        <Select
          label="To"
          placeholder="The pod that is called"
          searchable
          required
          data={proxies.map(({ proxy }) => proxy)}
          value={to}
          onChange={setTo}
        />
        <Autocomplete
          label="From"
          description="An identity, or namespace/pod; empty for a caller without certificate"
          placeholder="cluster.local/ns/default/sa/…"
          data={identities}
          value={from}
          onChange={setFrom}
        />
        <div className="row top">
          <Select label="Method" data={METHODS} value={method} onChange={setMethod} w={110} allowDeselect={false} />
          <TextInput
            label="Path"
            value={path}
            onChange={(event) => setPath(event.currentTarget.value)}
            className="grow"
          />
          <NumberInput
            label="Port"
            placeholder="any"
            value={port}
            onChange={setPort}
            w={90}
            min={1}
            max={65_535}
            hideControls
          />
        </div>
        <TextInput
          label="A header"
          placeholder="Name: value"
          value={header}
          onChange={(event) => setHeader(event.currentTarget.value)}
        />
        <div>
          <Button type="submit" loading={trial.isPending} disabled={!to}>
            Try it
          </Button>
        </div>
      </form>
      <div aria-live="polite">
        {trial.error && <Problem error={trial.error} />}
        {trial.data && <Verdict verdict={trial.data} />}
      </div>
    </Card>
  )
}

function Verdict({ verdict: { allowed, outcome, steps, asks, principal, port } }: { readonly verdict: CallVerdict }) {
  return (
    <div style={{ marginTop: 18 }}>
      <div className="row">
        <Tag tone={allowed ? 'good' : 'bad'}>{allowed ? 'allowed' : 'refused'}</Tag>
        <strong>{allowed ? (asks ? `Unless ${asks} refuses it` : 'It is passed on') : `It is ${outcome}`}</strong>
        <span className="sub wrap">
          {principal ?? 'a caller without certificate'} → port {port}
        </span>
      </div>
      <ol className="list" style={{ marginTop: 10 }}>
        {steps.map(({ layer, says, refused, source, rule }, at) => (
          // A step is its place
          <li key={at} className="row top">
            <Tag tone={refused ? 'bad' : 'good'}>{refused ? 'no' : 'yes'}</Tag>
            <div className="grow">
              <strong>{layer}</strong>: {sentence(says)}
              {source && (
                <div className="sub wrap">
                  {source.object}
                  {rule === undefined ? '' : `, rule ${rule}`}
                  {source.file && source.file !== 'kubernetes'
                    ? ` · ${source.file.split('/').slice(-2).join('/')}:${source.line}`
                    : ''}
                </div>
              )}
            </div>
          </li>
        ))}
      </ol>
    </div>
  )
}
