import { hostMatches, resolveHost, serviceHost } from '../resources/host.ts'
import type { DestinationRule, VirtualService } from '../resources/istio.ts'
import type { Resource } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { gatewaysOf, hostsOf, MESH } from './routing/virtual-services.ts'

/** An object that has a say in what happens to calls of a host, and in a few words how. */
export interface Say {
  readonly object: Resource
  readonly how: string
}

const ROUTES = [
  'gateway.networking.k8s.io/HTTPRoute',
  'gateway.networking.k8s.io/GRPCRoute',
  'gateway.networking.k8s.io/TLSRoute',
  'gateway.networking.k8s.io/TCPRoute',
  'gateway.networking.k8s.io/UDPRoute',
] as const

/** The routes that decide where calls of a host go, or that lead there. */
export function routesOf(snapshot: Snapshot, host: string): readonly Say[] {
  const istio = [...snapshot.all('networking.istio.io/VirtualService').values()].flatMap((object): Say[] => {
    const how = virtualServiceSay(object, host)
    return how === undefined ? [] : [{ object, how }]
  })
  const api = ROUTES.flatMap((kind) => [...snapshot.all(kind).values()]).flatMap((object): Say[] => {
    const { parentRefs = [], rules = [] } = (object.spec ?? {}) as RouteSpec
    const namespace = object.metadata.namespace ?? ''
    const isHost = (ref: Reference) => serviceHost(ref.name, ref.namespace ?? namespace) === host
    const parents = parentRefs
      .filter(({ kind = 'Gateway' }) => kind !== 'Service')
      .map(({ kind = 'Gateway', name }) => `${kind} ${name}`)
    if (parentRefs.some((ref) => ref.kind === 'Service' && isHost(ref)))
      return [{ object, how: 'routes its requests within the mesh' }]
    const leads = rules.some(({ backendRefs = [] }) =>
      backendRefs.some((ref) => (ref.kind ?? 'Service') === 'Service' && isHost(ref)),
    )
    return leads ? [{ object, how: parents.length > 0 ? `leads to it from ${parents.join(', ')}` : 'leads to it' }] : []
  })
  return [...istio, ...api]
}

interface Reference {
  readonly kind?: string
  readonly name: string
  readonly namespace?: string
}

interface RouteSpec {
  readonly parentRefs?: readonly Reference[]
  readonly rules?: readonly { readonly backendRefs?: readonly Reference[] }[]
}

function virtualServiceSay(object: VirtualService, host: string): string | undefined {
  const gateways = gatewaysOf(object).filter((gateway) => gateway !== MESH)
  const through = gateways.length > 0 ? `from Gateway ${gateways.join(', ')}` : ''
  const inMesh = gatewaysOf(object).includes(MESH)
  if (inMesh && hostsOf(object).some((one) => hostMatches(one, host)))
    return ['routes its calls within the mesh', through].filter(Boolean).join(', and ')
  const leads = destinations(object.spec).some((one) => resolveHost(one, object.metadata.namespace ?? '') === host)
  if (!leads) return undefined
  return `leads to it ${[inMesh ? 'within the mesh' : '', through].filter(Boolean).join(', and ')}`
}

/** Hosts of all `destination`s and mirrors, wherever they stand in a VirtualService. */
function destinations(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(destinations)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, field]) => {
    const host = (field as { readonly host?: unknown } | null)?.host
    return (name === 'destination' || name === 'mirror') && typeof host === 'string' ? [host] : destinations(field)
  })
}

/** The DestinationRules for a host. */
export function destinationRulesOf(snapshot: Snapshot, host: string): readonly Say[] {
  return [...snapshot.all('networking.istio.io/DestinationRule').values()]
    .filter((rule) => hostMatches(resolveHost(rule.spec?.host ?? '', rule.metadata.namespace ?? ''), host))
    .map((object) => ({ object, how: ruleSay(object) }))
}

function ruleSay({ spec }: DestinationRule): string {
  const { subsets = [], trafficPolicy = {} } = spec ?? {}
  const said = [
    ...(subsets.length > 0 ? [`subsets ${subsets.map(({ name }) => name).join(', ')}`] : []),
    ...Object.keys(trafficPolicy),
  ]
  return said.join('; ') || 'says nothing'
}
