import type { ReactNode } from 'react'
import type { FindingCounts, MtlsSummary, ProxyState, Severity } from '../../../src/server/console/answers.ts'

/** How something is: always said in words, too. */
export type Tone = 'good' | 'warn' | 'bad' | 'calm' | 'note'

export function Tag({ tone = 'calm', children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return <span className={`tag ${tone}`}>{children}</span>
}

export function Dot({ tone }: { readonly tone: Tone }) {
  return <span className={`dot ${tone}`} aria-hidden="true" />
}

export const SEVERITY_TONES: Readonly<Record<Severity, Tone>> = { error: 'bad', warning: 'warn', info: 'note' }

const PROXY_TONES: Readonly<Record<ProxyState, Tone>> = {
  synced: 'good',
  updating: 'note',
  rejected: 'bad',
  disconnected: 'warn',
}

export function ProxyTag({ state }: { readonly state: ProxyState }) {
  return <Tag tone={PROXY_TONES[state]}>{state === 'disconnected' ? 'not connected' : state}</Tag>
}

const MTLS: Readonly<Record<MtlsSummary, readonly [Tone, string]>> = {
  strict: ['good', 'strict'],
  permissive: ['note', 'permissive'],
  mixed: ['note', 'mixed'],
  disabled: ['warn', 'off'],
  none: ['calm', 'no proxy'],
}

/** What is asked of clients. */
export function MtlsTag({ mtls }: { readonly mtls: MtlsSummary }) {
  const [tone, text] = MTLS[mtls]
  return <Tag tone={tone}>{text}</Tag>
}

/** Nothing where nothing was found. */
export function FindingTags({ findings: { error, warning } }: { readonly findings: FindingCounts }) {
  if (error + warning === 0) return null
  return (
    <span className="row">
      {error > 0 && <Tag tone="bad">{plural(error, 'error')}</Tag>}
      {warning > 0 && <Tag tone="warn">{plural(warning, 'warning')}</Tag>}
    </span>
  )
}

export function plural(count: number, what: string, many = `${what}s`): string {
  return `${count} ${count === 1 ? what : many}`
}
