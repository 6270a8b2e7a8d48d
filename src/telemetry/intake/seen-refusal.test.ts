import { expect, test } from 'vitest'
import type { LogEntry } from '../questions/logs.ts'
import { seenRefusal } from './seen-refusal.ts'

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
  at: 1000,
} as LogEntry

function seen(...entries: readonly Partial<LogEntry>[]) {
  return entries.flatMap((entry) => seenRefusal({ ...ENTRY, ...entry }) ?? [])
}

test('what a proxy refused is told with who, what and why, and without the query', () => {
  const details = 'rbac_access_denied_matched_policy[ns[shop]-policy[admin]-rule[0]]'
  expect(seen({ details })).toEqual([
    {
      kind: 'request',
      who: 'shop/cart',
      from: '10.0.0.1',
      at: 'shop/web port 8080',
      request: 'GET web.shop/admin',
      reason: details,
      seen: 1000,
    },
  ])
})

test('what others answered, or went well, is not', () => {
  expect(seen({ details: 'via_upstream' }, { details: 'response_timeout' })).toEqual([])
})

test('connections are told of that ended for their TLS, a policy or the lack of a certificate', () => {
  const unknown = { namespace: 'unknown', workload: 'unknown', version: '', address: '[fd00::9]:4000' }
  const connection = { kind: 'connection', source: unknown } as const
  const records = seen(
    { ...connection, failure: 'TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED' },
    { ...connection, flags: 'NR', failure: 'filter_chain_not_found' },
    { ...connection, failure: 'rbac_access_denied_matched_policy[none]' },
    // The client would not have the server's certificate.
    { ...connection, failure: 'TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA' },
    // Of the proxy of a client: its server's TLS, which may have failed for many reasons.
    { ...connection, reporter: 'source', failure: 'TLS_error:|268435581' },
    { ...connection, flags: 'UF', failure: 'delayed_connect_error' },
  )
  expect(records.map(({ who, from, at, reason }) => [who, from, at, reason])).toEqual([
    ['unknown', 'fd00::9', 'shop/web port 8080', expect.stringContaining('CERTIFICATE_VERIFY_FAILED')],
    ['unknown', 'fd00::9', 'shop/web port 8080', 'no TLS of the mesh, where nothing else is taken'],
    ['unknown', 'fd00::9', 'shop/web port 8080', 'rbac_access_denied_matched_policy[none]'],
  ])
})
