import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RouteConfiguration } from '#envoy/config/route/v3/route'
import type { Route } from '#envoy/config/route/v3/route_components'
import { clientOf } from '../../mesh/routing/client.ts'
import { parseYaml } from '../../resources/parse.ts'
import { keyOf, type Resource } from '../../resources/resource.ts'
import { Snapshot } from '../../store/snapshot.ts'
import { Store } from '../../store/store.ts'
import { outboundRoutes } from './outbound-routes.ts'

const HOST = 'reviews.shop.svc.cluster.local'
const PORT = 9080

/** A VirtualService that claims the host; its answer tells which it is. */
interface Claim {
  readonly host: string
  readonly namespace: string
  readonly exportTo: string
  readonly age: string
}

const claim: fc.Arbitrary<Claim> = fc.record({
  host: fc.constantFrom(HOST, '*.shop.svc.cluster.local', '*.svc.cluster.local'),
  namespace: fc.constantFrom('shop', 'front', 'back'),
  exportTo: fc.constantFrom('*', '.', 'front', 'shop'),
  age: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'),
})

function virtualService({ host, namespace, exportTo, age }: Claim, index: number): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: `claim-${index}`, namespace, creationTimestamp: age },
    spec: { hosts: [host], exportTo: [exportTo], http: [{ directResponse: { status: 200 + index } }] },
  }
}

const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'reviews', namespace: 'shop' },
  spec: { ports: [{ name: 'http', port: PORT }] },
}

function objects(all: readonly object[]): Resource[] {
  const { resources, messages } = parseYaml(all.map((each) => JSON.stringify(each)).join('\n---\n'), 'test.yaml')
  expect(messages).toEqual([])
  return [...resources]
}

/** What a client of a namespace gets of the host: the status of the direct response, nothing where the service answers. */
function answerTo(snapshot: Snapshot, namespace: string): number | undefined {
  const { action } = routesOf(snapshot, namespace)[0] ?? {}
  return action?.case === 'directResponse' ? action.value.status : undefined
}

function routesOf(snapshot: Snapshot, namespace: string): readonly Route[] {
  const layers = outboundRoutes(snapshot, clientOf(namespace, {}, []), 'refuse', false)
  const routes = layers.map((layer) => layer.get(HOST)).find((each) => each !== undefined)
  return (routes?.message as RouteConfiguration | undefined)?.virtualHosts[0]?.routes ?? []
}

/** As the documentation says: who names the host goes before wildcards, the more specific before the less; then the older, the namespace, the name. */
function expected(claims: readonly Claim[], namespace: string): number | undefined {
  const seen = claims
    .map((claim, index) => ({ ...claim, index }))
    .filter(
      ({ exportTo, namespace: own }) =>
        exportTo === '*' || exportTo === namespace || (exportTo === '.' && own === namespace),
    )
  const rank = (each: Claim & { index: number }) =>
    [
      String(999 - (each.host === HOST ? 999 : each.host.length)).padStart(3, '0'),
      each.age,
      each.namespace,
      `claim-${each.index}`,
    ].join(' ')
  const [first] = seen.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  return first && 200 + first.index
}

test('of VirtualServices that claim a host, the one that counts does not depend on how they came', () => {
  fc.assert(
    fc.property(
      fc
        .array(claim, { minLength: 1, maxLength: 6 })
        .chain((claims) =>
          fc.tuple(fc.constant(claims), fc.shuffledSubarray([...claims.keys()], { minLength: claims.length })),
        ),
      ([claims, order]) => {
        const all = objects([SERVICE, ...order.map((index) => virtualService(claims[index] as Claim, index))])
        const atOnce = Snapshot.of(all)
        const oneByOne = new Store()
        for (const put of all) oneByOne.apply([{ put }])
        for (const namespace of ['shop', 'front', 'back', 'none']) {
          expect(answerTo(atOnce, namespace)).toBe(expected(claims, namespace))
          expect(answerTo(oneByOne.snapshot, namespace)).toBe(expected(claims, namespace))
        }
      },
    ),
    { numRuns: 30 },
  )
})

test('when the one that counts goes, the next does', () => {
  fc.assert(
    fc.property(fc.array(claim, { minLength: 2, maxLength: 5 }), (claims) => {
      const made = objects(claims.map(virtualService))
      const store = new Store()
      store.apply([...objects([SERVICE]), ...made].map((put) => ({ put })))
      const answer = () => answerTo(store.snapshot, 'shop')
      const left = new Map(claims.map((each, index) => [index, each]))
      for (let status = answer(); status !== undefined; status = answer()) {
        const index = status - 200
        const gone = made[index] as Resource
        store.apply([{ remove: 'networking.istio.io/VirtualService', key: keyOf(gone) }])
        left.delete(index)
        const others = claims.map((each, i) => (left.has(i) ? each : { ...each, exportTo: 'nobody' }))
        expect(answer()).toBe(expected(others, 'shop'))
      }
    }),
    { numRuns: 25 },
  )
})

test('rules are tried as they are written, up to the first for every request', () => {
  const path = fc.constantFrom('/', '/a', '/a/b', '/c')
  fc.assert(
    fc.property(fc.array(fc.option(path, { nil: undefined }), { minLength: 1, maxLength: 6 }), (paths) => {
      const http = paths.map((prefix, index) => ({
        name: `rule-${index}`,
        ...(prefix === undefined ? {} : { match: [{ uri: { prefix } }] }),
        directResponse: { status: 200 + index },
      }))
      const rule = {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'rules', namespace: 'shop' },
        spec: { hosts: [HOST], http },
      }
      const names = routesOf(Snapshot.of(objects([SERVICE, rule])), 'shop').map(({ name }) => name)
      const written = http.map(({ name }) => name)
      const first = paths.findIndex((prefix) => prefix === undefined || prefix === '/')
      const reachable = first < 0 ? written : written.slice(0, first + 1)
      // What comes after a rule for all is never tried; where there is none, what matches nothing is told that it is not found.
      expect(names.slice(0, reachable.length)).toEqual(reachable)
      expect(names.slice(written.length)).toEqual(first < 0 ? ['not-found'] : [])
    }),
    { numRuns: 25 },
  )
})
