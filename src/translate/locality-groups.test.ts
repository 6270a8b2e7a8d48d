import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ClientPlace } from '../mesh/client-place.ts'
import type { LocalityPreference } from '../mesh/locality-preference.ts'
import type { Endpoint } from '../mesh/model.ts'
import { localityGroups } from './locality-groups.ts'

const endpoint = (region: string, zone: string, i: number): Endpoint => ({
  address: `${zone}-${i}`,
  ports: { 80: 80 },
  labels: {},
  locality: { region, zone, subZone: '' },
  weight: 1,
  healthy: true,
  mtlsPorts: [],
})

const endpointsOf = (counts: Readonly<Record<string, number>>, region = 'east') =>
  Object.entries(counts).flatMap(([zone, count]) => Array.from({ length: count }, (_, i) => endpoint(region, zone, i)))

const place = (zone: string, peers: Readonly<Record<string, number>>): ClientPlace => ({
  locality: { region: 'east', zone, subZone: '' },
  labels: {},
  peers,
})

const BY_ZONES: LocalityPreference = { by: 'zones', failover: [{ from: 'east', to: 'west' }], labels: [], minimum: 6 }

/** The part of what a client sends that goes to each zone while all are well, and all zones by priority. */
function sent(endpoints: readonly Endpoint[], client: ClientPlace, preference = BY_ZONES) {
  const groups = localityGroups(endpoints, preference, client)
  const first = groups.filter(({ priority }) => priority === 0)
  const total = first.reduce((sum, { weight }) => sum + weight, 0)
  const parts = Object.fromEntries(first.map(({ locality, weight }) => [locality?.zone ?? '', weight / total]))
  return { parts, priorities: groups.map(({ locality, priority }) => `${priority} ${locality?.zone}`).sort() }
}

test('a zone keeps what its endpoints can take, and the next are used only as far as these are unwell', () => {
  const endpoints = [
    ...endpointsOf({ a: 4, b: 4 }),
    ...endpointsOf({ w: 1 }, 'west'),
    ...endpointsOf({ n: 1 }, 'north'),
  ]
  expect(sent(endpoints, place('a', { a: 50, b: 50 }))).toEqual({
    parts: { a: 1 },
    priorities: ['0 a', '1 b', '2 w', '3 n'],
  })
})

test('what is too much for a zone goes where there are endpoints to spare', () => {
  const endpoints = endpointsOf({ a: 2, b: 4, c: 2 })
  expect(sent(endpoints, place('a', { a: 50, b: 25, c: 25 }))).toEqual({
    parts: { a: 0.5, b: 0.5 },
    priorities: ['0 a', '0 b', '1 c'],
  })
})

test.each([
  ['few endpoints', endpointsOf({ a: 2, b: 3 }), place('a', { a: 50, b: 50 }), { a: 0.4, b: 0.6 }],
  ['no endpoint in its own zone', endpointsOf({ b: 3, c: 3 }), place('a', { a: 100 }), { b: 0.5, c: 0.5 }],
])('with %s all zones of the region are the same', (_, endpoints, client, parts) => {
  expect(sent(endpoints, client).parts).toEqual(parts)
})

test('labels come before nearness', () => {
  const endpoints = endpointsOf({ a: 3, b: 3 }).map((each) => ({
    ...each,
    labels: { version: each.locality?.zone === 'a' ? 'v1' : 'v2' },
  }))
  const client = place('a', { a: 100 })
  expect(sent(endpoints, client, { ...BY_ZONES, labels: ['version=v2'] }).priorities).toEqual(['0 b', '1 a'])
})

test('however clients and endpoints are spread, each endpoint gets the same', () => {
  const counts = (least: number) =>
    fc.record({
      a: fc.integer({ min: least, max: 20 }),
      b: fc.integer({ min: least, max: 20 }),
      c: fc.integer({ min: least, max: 20 }),
    })
  fc.assert(
    fc.property(counts(2), counts(1), (servers, clients) => {
      const endpoints = endpointsOf(servers)
      const sum = (of: Readonly<Record<string, number>>) => Object.values(of).reduce((all, each) => all + each, 0)
      const peers = Object.fromEntries(
        Object.entries(clients).map(([zone, count]) => [zone, (100 * count) / sum(clients)]),
      )
      const load: Record<string, number> = {}
      for (const [zone, percent] of Object.entries(peers))
        for (const [to, part] of Object.entries(sent(endpoints, place(zone, peers)).parts))
          load[to] = (load[to] ?? 0) + (part * percent) / 100
      for (const [zone, count] of Object.entries(servers)) expect(load[zone]).toBeCloseTo(count / sum(servers), 2)
    }),
  )
})
