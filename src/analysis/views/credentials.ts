import type { FieldPath, Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { podsWith } from './pods.ts'

/** A Secret that a gateway's server is to have its certificate from. */
export interface Credential {
  readonly resource: Resource
  /** Of its name. */
  readonly path: FieldPath
  readonly name: string
  /** Each of which needs it. */
  readonly namespaces: readonly string[]
}

/** All that Gateways of both APIs name. */
export function* credentials(snapshot: Snapshot): Iterable<Credential> {
  for (const resource of snapshot.all('networking.istio.io/Gateway').values()) {
    // Istio looks for the Secret where the gateway's pods are.
    const pods = podsWith(snapshot, resource.spec?.selector ?? {})
    if (pods.length === 0) continue
    const namespaces = [...new Set(pods.map((pod) => pod.namespace))]
    for (const [i, { tls }] of (resource.spec?.servers ?? []).entries()) {
      const path = ['spec', 'servers', i, 'tls']
      if (tls?.credentialName)
        yield { resource, path: [...path, 'credentialName'], name: tls.credentialName, namespaces }
      for (const [j, name] of (tls?.credentialNames ?? []).entries())
        yield { resource, path: [...path, 'credentialNames', j], name, namespaces }
    }
  }
  for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
    for (const [i, { protocol, tls }] of (resource.spec?.listeners ?? []).entries()) {
      if (protocol === 'HTTP') continue // has no use for one, which is told apart
      for (const [j, { name, namespace, kind = 'Secret', group = '' }] of (tls?.certificateRefs ?? []).entries()) {
        if (kind !== 'Secret' || group !== '') continue
        const path = ['spec', 'listeners', i, 'tls', 'certificateRefs', j, 'name']
        yield {
          resource,
          path,
          name,
          namespaces: [namespace ?? resource.metadata.namespace ?? ''],
        } satisfies Credential
      }
    }
  }
}
