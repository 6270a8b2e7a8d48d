import { expect, test } from 'vitest'
import type { LogEntry } from '../telemetry/questions/logs.ts'
import type { TelemetryEvent } from '../telemetry/questions/questions.ts'
import { auditRefusedCalls } from './refused-calls.ts'

const ENTRY = {
  kind: 'request',
  reporter: 'destination',
  source: { namespace: 'shop', workload: 'cart', version: 'v1', address: '10.0.0.1:4000' },
  destination: { namespace: 'shop', workload: 'web', version: 'v1', address: '10.0.0.2:8080' },
  method: 'GET',
  authority: 'web.shop',
  path: '/admin?token=secret',
  details: '',
  failure: '',
  flags: '',
} as LogEntry

function recorded(...entries: readonly Partial<LogEntry>[]) {
  let listener: (event: TelemetryEvent) => void = () => {}
  const audit = auditRefusedCalls({
    follow(told) {
      listener = told
      return () => {}
    },
  })
  listener({ logs: entries.map((entry) => ({ ...ENTRY, ...entry })) })
  return audit.records()
}

test('what a proxy refused is recorded with who, what and why, and without the query', () => {
  const details = 'rbac_access_denied_matched_policy[ns[shop]-policy[admin]-rule[0]]'
  expect(recorded({ details }, { details, path: '/admin?token=other' })).toEqual([
    {
      time: expect.any(String),
      outcome: 'refused',
      action: 'traffic.request',
      who: 'shop/cart',
      from: '10.0.0.1',
      about: 'GET web.shop/admin at shop/web port 8080',
      reason: details,
      repeats: 1,
    },
  ])
})

test('what others answered, or went well, is not', () => {
  expect(recorded({ details: 'via_upstream' }, { details: 'response_timeout' })).toEqual([])
})

test('connections are recorded that ended for their TLS, a policy or the lack of a certificate', () => {
  const unknown = { namespace: 'unknown', workload: 'unknown', version: '', address: '[fd00::9]:4000' }
  const connection = { kind: 'connection', source: unknown } as const
  const records = recorded(
    { ...connection, failure: 'TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED' },
    { ...connection, flags: 'NR', failure: 'filter_chain_not_found' },
    { ...connection, failure: 'rbac_access_denied_matched_policy[none]' },
    // Of the proxy of a client: its server's TLS, which may have failed for many reasons.
    { ...connection, reporter: 'source', failure: 'TLS_error:|268435581' },
    { ...connection, flags: 'UF', failure: 'delayed_connect_error' },
  )
  expect(records.map(({ who, from, about, reason }) => [who, from, about, reason])).toEqual([
    ['unknown', 'fd00::9', 'shop/web port 8080', expect.stringContaining('CERTIFICATE_VERIFY_FAILED')],
    ['unknown', 'fd00::9', 'shop/web port 8080', 'no TLS of the mesh, where nothing else is taken'],
    ['unknown', 'fd00::9', 'shop/web port 8080', 'rbac_access_denied_matched_policy[none]'],
  ])
})
