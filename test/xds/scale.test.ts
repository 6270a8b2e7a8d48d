import { expect, test } from 'vitest'
import { endpointsOf, meshOf, newService, proxiesOf, routesOf } from '../../bench/mesh-of.ts'
import type { Resource } from '../../src/resources/resource.ts'
import { derivations } from '../../src/store/derive.ts'
import { PersistentMap } from '../../src/store/persistent-map.ts'
import type { Snapshot } from '../../src/store/snapshot.ts'
import { type EncodedResource, type ProxyResources, RESOURCE_TYPES } from '../../src/translate/encoded-resource.ts'
import { proxyResources } from '../../src/translate/proxy-resources.ts'

// A change of one service costs the same in a mesh ten times as large, clients being equal: the same derivations, encodings and bytes.

const SIZES = [100, 1000] as const
const PROXIES = 20

const CHANGES: Readonly<Record<string, (size: number) => readonly Resource[]>> = {
  'an endpoint': () => [endpointsOf(7, [true, false])],
  'a route': () => [routesOf(13, 50)],
  'a new service': (size) => newService(size),
}

const resourcesOf = (snapshot: Snapshot, size: number) =>
  proxiesOf(size, PROXIES).map((proxy) => proxyResources(snapshot, proxy) ?? {})

/** What all proxies together are sent for having these rather than those, in resources and bytes. */
function sent(before: readonly ProxyResources[], after: readonly ProxyResources[]) {
  let [resources, bytes] = [0, 0]
  const nothing = PersistentMap.empty<EncodedResource>()
  before.forEach((had, i) => {
    for (const type of RESOURCE_TYPES)
      (after[i]?.[type] ?? []).forEach((layer, n) => {
        PersistentMap.diff(had[type]?.[n] ?? nothing, layer, (_, was, is) => {
          if (was?.version === is?.version) return
          resources++
          bytes += is?.any.length ?? 0
        })
      })
  })
  return { resources, bytes }
}

function costsAt(size: number) {
  const snapshot = meshOf(size)
  const before = resourcesOf(snapshot, size)
  return Object.entries(CHANGES).map(([what, change]) => {
    derivations.clear()
    const after = resourcesOf(snapshot.with(change(size).map((put) => ({ put }))), size)
    return { what, derivations: Object.fromEntries([...derivations].sort()), ...sent(before, after) }
  })
}

test('a change of one service costs the same in a mesh ten times as large', () => {
  const [small, large] = SIZES.map(costsAt)
  for (const [i, { what, derivations, resources, bytes }] of (small ?? []).entries()) {
    expect(large?.[i], what).toMatchObject({ what, derivations, resources })
    expect(derivations, what).not.toEqual({})
    expect(resources, what).toBeGreaterThan(0)
    // Names and addresses have a digit more.
    expect((large?.[i]?.bytes ?? 0) / bytes, what).toBeCloseTo(1, 1)
  }
})
