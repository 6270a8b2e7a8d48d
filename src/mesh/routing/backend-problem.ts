import type { HTTPBackendRef } from '../../resources/gateway-api.ts'
import type { Service } from '../model.ts'
import { type ApiRoute, backendHost } from './api-routes.ts'
import { udpPorts } from './udp-backends.ts'

/** A reference of a route to what it sends to. */
export type BackendReference = Pick<HTTPBackendRef, 'group' | 'kind' | 'name' | 'namespace' | 'port'>

/** Why a backend can't be sent to: the reason of the route's condition `ResolvedRefs`. */
export type BackendProblem = 'InvalidKind' | 'RefNotPermitted' | 'BackendNotFound' | 'UnsupportedProtocol'

/** Undefined where a backend is a port of a service that there is, and that the route may refer to. What statuses say and what proxies do is decided here. */
export function backendProblem(backend: BackendReference, route: ApiRoute): BackendProblem | undefined {
  const host = backendHost(backend, route.resource.metadata.namespace ?? '')
  if (host === undefined) return 'InvalidKind'
  if (route.refused.includes(host)) return 'RefNotPermitted'
  const service = route.targets.services.get(host)
  if (!service) return 'BackendNotFound'
  const has = (numbers: readonly number[]) => numbers.some((number) => number === backend.port)
  const [own, other] = route.resource.kind === 'UDPRoute' ? [udpPorts, tcpPorts] : [tcpPorts, udpPorts]
  if (has(own(service))) return undefined
  return has(other(service)) ? 'UnsupportedProtocol' : 'BackendNotFound'
}

function tcpPorts({ ports }: Service): readonly number[] {
  return ports.map(({ number }) => number)
}

/** Every backend that a route sends to, copies included. */
export function backendReferences({ resource }: ApiRoute): readonly BackendReference[] {
  interface Rule {
    readonly backendRefs?: readonly (BackendReference & { readonly filters?: readonly Filter[] })[]
    readonly filters?: readonly Filter[]
  }
  interface Filter {
    readonly requestMirror?: { readonly backendRef: BackendReference }
    readonly externalAuth?: { readonly backendRef: BackendReference }
  }
  const mirrors = (filters: readonly Filter[] = []) =>
    filters.flatMap(({ requestMirror, externalAuth }) => (requestMirror ?? externalAuth)?.backendRef ?? [])
  return ((resource.spec?.rules ?? []) as readonly Rule[]).flatMap(({ backendRefs = [], filters }) => [
    ...backendRefs,
    ...backendRefs.flatMap((backend) => mirrors(backend.filters)),
    ...mirrors(filters),
  ])
}
