import { expect, test } from 'vitest'
import type { Measured } from '../measurements/measured.ts'
import { noMeasurement } from '../measurements/measurement.ts'
import { seriesKey, seriesLabels } from '../measurements/series.ts'
import { countedOnce, securityOf } from './counted-once.ts'

const WEB = 'spiffe://cluster.local/ns/shop/sa/web'

/** Requests to shop/cart, as one side tells of them. */
function told(requests: number, labels: Readonly<Record<string, string>>): Measured {
  const all: Readonly<Record<string, string>> = {
    destination_workload_namespace: 'shop',
    destination_workload: 'cart',
    source_principal: 'unknown',
    destination_principal: 'unknown',
    response_flags: '-',
    ...labels,
  }
  const total = { ...noMeasurement(), requests }
  return { labels: seriesLabels(seriesKey((label) => all[label])), total, points: new Map() }
}

const bySource = (requests: number, labels: Readonly<Record<string, string>> = {}) =>
  told(requests, { reporter: 'source', source_principal: WEB, ...labels })
const byDestination = (requests: number, labels: Readonly<Record<string, string>> = {}) =>
  told(requests, { reporter: 'destination', connection_security_policy: 'none', ...labels })

/** How many requests count of each. */
const counted = (...all: readonly Measured[]) => {
  const kept = new Map(
    countedOnce(all).map(({ labels, total, share }) => [labels.reporter, Math.round(total.requests * share)]),
  )
  return [kept.get('source') ?? 0, kept.get('destination') ?? 0]
}

test('what both sides tell counts as the client tells it', () => {
  const served = { source_principal: WEB, connection_security_policy: 'mutual_tls' }
  expect(counted(bySource(5, { destination_principal: 'its' }), byDestination(5, served))).toEqual([5, 0])
})

test('a server tells alone of a client without a proxy', () => {
  expect(counted(byDestination(5))).toEqual([0, 5])
})

test('plaintext of a client in the mesh is not that of somebody else', () => {
  expect(counted(bySource(5), byDestination(5))).toEqual([5, 0])
  expect(counted(bySource(5), byDestination(6))).toEqual([5, 1])
})

test.each(['UF', 'UF,URX', 'UH', 'FI'])(
  'what never got there (%s) takes nothing off what came from somebody else',
  (flags) => {
    const failed = bySource(5, { response_flags: flags })
    expect(counted(failed, byDestination(1))).toEqual([5, 1])
    expect(securityOf(failed.labels)).toBe(undefined)
  },
)

test('plaintext that was cut is plaintext all the same', () => {
  expect(securityOf(bySource(5, { response_flags: 'UC' }).labels)).toBe('plaintext')
})
