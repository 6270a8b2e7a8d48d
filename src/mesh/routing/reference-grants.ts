import type { ReferenceGrant } from '../../resources/gateway-api.ts'
import { derive } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** One side of a reference between namespaces. Group '' is the core group. */
export interface Referent {
  readonly group: string
  readonly kind: string
  readonly namespace: string
}

/** What all ReferenceGrants together allow. A new one whenever any of them changes, which is rare. */
export type Grants = ReadonlySet<string>

export function referenceGrants(snapshot: Snapshot): Grants {
  return grants(snapshot.all('gateway.networking.k8s.io/ReferenceGrant'))
}

/** Whether an object may refer to another: always within a namespace, else by a ReferenceGrant in the namespace that is referred to. */
export function isGranted(grants: Grants, from: Referent, to: Referent & { readonly name: string }): boolean {
  return (
    from.namespace === to.namespace || grants.has(grant(from, to, to.name)) || grants.has(grant(from, to, ANY_NAME))
  )
}

const ANY_NAME = '*'

const grants = derive('mesh/reference-grants', (resources: PersistentMap<ReferenceGrant>): Grants => {
  const allowed = new Set<string>()
  for (const { spec, metadata } of resources.values())
    for (const from of spec?.from ?? [])
      for (const { group, kind, name } of spec?.to ?? [])
        allowed.add(grant(from, { group, kind, namespace: metadata.namespace ?? '' }, name || ANY_NAME))
  return allowed
})

function grant(from: Referent, to: Referent, name: string): string {
  return [from.group, from.kind, from.namespace, to.group, to.kind, to.namespace, name].join(' ')
}
