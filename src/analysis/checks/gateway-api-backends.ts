import { isOfMeshOnly } from '../../mesh/routing/api-routes.ts'
import { services } from '../../mesh/services.ts'
import { displayName, type FieldPath, type Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'
import { keyLike } from '../views/keys.ts'
import { portsText } from '../views/ports.ts'
import { type BackendObject, backends, GATEWAY_API, type Route, routes } from '../views/routes.ts'

export const missingBackend: Check = {
  rule: 'missing-backend',
  severity: 'error',
  about:
    'A route of the Gateway API sends to a Service or port that does not exist: its share of requests is answered with 500.',
  *find(snapshot) {
    for (const route of routes(snapshot)) {
      for (const { path, backend } of backends(route)) {
        const found = backendProblem(snapshot, route, backend)
        if (!found) continue
        const { field, ...problem } = found
        yield { resource: route.resource, path: [...path, ...(field ? [field] : [])], ...problem }
      }
    }
  },
}

export const referenceNotGranted: Check = {
  rule: 'reference-not-granted',
  severity: 'error',
  about: 'An object of the Gateway API refers to one in another namespace, where no ReferenceGrant permits that.',
  *find(snapshot) {
    for (const { resource, path, kind, namespace, name } of crossReferences(snapshot)) {
      const from = resource.metadata.namespace ?? ''
      if (isGranted(snapshot, resource, kind, namespace, name)) continue
      yield {
        resource,
        path,
        problem: `no ReferenceGrant in namespace ${namespace} lets ${resource.kind}s of namespace ${from} refer to ${kind} ${name}`,
        remedy: `add a ReferenceGrant to namespace ${namespace} with from: ${resource.kind}, namespace ${from} and to: ${kind}`,
      }
    }
  },
}

type Problem = Omit<Finding, 'resource' | 'path'> & { readonly field?: string }

function backendProblem(snapshot: Snapshot, { namespace }: Route, backend: BackendObject): Problem | undefined {
  const { group = '', kind = 'Service', name, port } = backend
  // Istio's way to name any host of the mesh.
  if (group === 'networking.istio.io' && kind === 'Hostname') {
    if (services(snapshot).has(name.toLowerCase())) return undefined
    return {
      field: 'name',
      problem: `no Service or ServiceEntry has the host "${name}"`,
      remedy: 'name an existing host, or add it',
    }
  }
  if (group !== '' || kind !== 'Service') {
    const text = group ? `${kind} of ${group}` : kind
    return { field: 'kind', problem: `requests cannot be sent to a ${text}`, remedy: 'name a Service' }
  }
  const key = `${backend.namespace ?? namespace}/${name}`
  const service = snapshot.get('core/Service', key)
  if (!service) {
    return {
      field: 'name',
      problem: `there is no Service ${key}`,
      remedy: 'name an existing Service, or add it',
      suggestion: () => keyLike(key, [...snapshot.all('core/Service').keys()]),
    }
  }
  const ports = (service.spec?.ports ?? []).map(({ port, name = '' }) => ({ number: port, name }))
  if (port === undefined) {
    const remedy = `add port with one of: ${portsText(ports)}`
    return { problem: `no port of ${displayName(service)} is named, which is required for a Service`, remedy }
  }
  if (ports.some(({ number }) => number === port)) return undefined
  const problem = `${displayName(service)} has no port ${port}: it has ${portsText(ports)}`
  return { field: 'port', problem, remedy: 'write one of its ports' }
}

interface CrossReference {
  readonly resource: Resource
  readonly path: FieldPath
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

function* crossReferences(snapshot: Snapshot): Iterable<CrossReference> {
  for (const route of routes(snapshot)) {
    if (isOfMeshOnly(route.spec.parentRefs ?? [])) continue
    for (const { path, backend } of backends(route)) {
      const { kind = 'Service', namespace, name } = backend
      if (namespace === undefined || namespace === route.namespace) continue
      yield { resource: route.resource, path: [...path, 'namespace'], kind, namespace, name }
    }
  }
  for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
    for (const [i, { tls }] of (resource.spec?.listeners ?? []).entries()) {
      for (const [j, { kind = 'Secret', namespace, name }] of (tls?.certificateRefs ?? []).entries()) {
        if (namespace === undefined || namespace === resource.metadata.namespace) continue
        const path = ['spec', 'listeners', i, 'tls', 'certificateRefs', j, 'namespace']
        yield { resource, path, kind, namespace, name }
      }
    }
  }
}

function isGranted(snapshot: Snapshot, from: Resource, kind: string, namespace: string, name: string): boolean {
  for (const grant of snapshot.all('gateway.networking.k8s.io/ReferenceGrant').values()) {
    if (grant.metadata.namespace !== namespace) continue
    const lets = grant.spec?.from.some(
      (source) =>
        source.group === GATEWAY_API && source.kind === from.kind && source.namespace === from.metadata.namespace,
    )
    const to = grant.spec?.to.some((target) => target.kind === kind && (target.name ?? name) === name)
    if (lets && to) return true
  }
  return false
}
