import { expect, test } from 'vitest'
import type { RefusalEvidence } from '../telemetry/questions/refusals.ts'
import { refusedCalls } from './refused-calls.ts'

const REFUSAL: RefusalEvidence = {
  kind: 'request',
  who: 'shop/cart',
  from: '10.0.0.1',
  at: 'shop/web port 80',
  request: 'GET web/admin',
  reason: 'rbac_access_denied_matched_policy[none]',
  firstSeen: 0,
  lastSeen: 0,
  count: 1,
}
const SPAN = { from: 0, to: 1 }

test('what proxies refused is told as records, with how often and until when', () => {
  const refusals: RefusalEvidence[] = [
    REFUSAL,
    { ...REFUSAL, count: 3, lastSeen: 60_000 },
    { ...REFUSAL, request: null },
    { ...REFUSAL, kind: 'connection', request: '' },
  ]
  expect(refusedCalls({ ...SPAN, refusals, unrecorded: null })).toEqual([
    {
      time: '1970-01-01T00:00:00.000Z',
      outcome: 'refused',
      action: 'traffic.request',
      who: 'shop/cart',
      from: '10.0.0.1',
      about: 'GET web/admin at shop/web port 80',
      reason: 'rbac_access_denied_matched_policy[none]',
    },
    expect.objectContaining({ repeats: 2, until: '1970-01-01T00:01:00.000Z' }),
    expect.objectContaining({ about: 'other requests at shop/web port 80' }),
    expect.objectContaining({ action: 'traffic.connection', about: 'shop/web port 80' }),
  ])
})

test('what is known by its number only is told, too', () => {
  const unrecorded = { firstSeen: 0, lastSeen: 1000, count: 500 }
  expect(refusedCalls({ ...SPAN, refusals: [], unrecorded })).toMatchObject([
    { action: 'traffic.unrecorded', repeats: 499, until: '1970-01-01T00:00:01.000Z' },
  ])
})
