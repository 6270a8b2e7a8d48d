import { clone } from '@bufbuild/protobuf'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { TrafficDirection } from '#envoy/config/core/v3/base'
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '#envoy/config/core/v3/extension'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import type { HttpFilter } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { envoyFiltersOf } from '../../mesh/envoy-filters.ts'
import type { Workload } from '../../mesh/model.ts'
import type { EnvoyFilter } from '../../resources/istio.ts'
import { derive, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder, type ProxyResources } from '../encoded-resource.ts'
import { isIdleByItself, withoutIdleFilters } from '../routes/idle-filters.ts'
import { mergePatch, merges, type Patch, patchesOf } from './patch.ts'
import { isInListeners, patchListener } from './patch-listener.ts'
import { patchRoutes } from './patch-routes.ts'

type Encoded = PersistentMap<EncodedResource>
type Context = Exclude<Patch['context'], 'ANY'>

/**
 * What a proxy gets once the EnvoyFilters that apply to its workload are applied. A resource that several proxies share, and that the same
 * EnvoyFilters apply to, is patched once for all of them.
 */
export function patchedResources(snapshot: Snapshot, workload: Workload, resources: ProxyResources): ProxyResources {
  const filters = envoyFiltersOf(snapshot, workload)
  if (filters.length === 0) return resources
  const set = patchSet(filters, workload.role)
  if (set.patches.length === 0) return resources
  const patched = (type: keyof typeof LAYERS) =>
    (resources[type] ?? []).map((layer, i) => LAYERS[type](layer, set, workload.namespace, i))
  return {
    ...resources,
    cluster: [...patched('cluster'), set.clusters],
    extension: [...(resources.extension ?? []), set.extensions],
    listener: [...patched('listener'), set.listeners],
    routes: patched('routes'),
  }
}

/** The patches for proxies of one role. */
interface PatchSet {
  readonly role: Workload['role']
  readonly patches: readonly Patch[]
  /** New ones. */
  readonly clusters: Encoded
  readonly listeners: Encoded
  readonly extensions: Encoded
}

const encodeCluster = encoder('cluster', ClusterSchema)
const encodeListener = encoder('listener', ListenerSchema)
const encodeExtension = encoder('extension', TypedExtensionConfigSchema)
const encodeRoutes = encoder('routes', RouteConfigurationSchema)

const patchSet = derive(
  'translate/envoy-filter/set',
  (filters: readonly EnvoyFilter[], role: Workload['role']): PatchSet => {
    const patches = filters.flatMap((filter) => patchesOf(filter).patches).filter((patch) => isForRole(patch, role))
    const added = <M extends { readonly name: string }>(
      applyTo: Patch['applyTo'],
      encode: (resource: EnvoyResource<M>) => EncodedResource,
    ): Encoded => {
      const adding = patches.filter((patch) => patch.applyTo === applyTo && patch.operation === 'ADD')
      const made = adding.map(({ value, filter }) => {
        const message = value as unknown as M
        return encode({ name: message.name, message, sources: [filter] })
      })
      return PersistentMap.from(made.map((resource) => [resource.name, resource] as const))
    }
    return {
      role,
      patches,
      clusters: added<Cluster>('CLUSTER', encodeCluster),
      listeners: added<Listener>('LISTENER', encodeListener),
      extensions: added<TypedExtensionConfig>('EXTENSION_CONFIG', encodeExtension),
    }
  },
)

function isForRole({ context }: Patch, role: Workload['role']): boolean {
  if (context === 'ANY') return true
  return role === 'gateway' ? context === 'GATEWAY' : context.startsWith('SIDECAR_')
}

/** A function for each type that takes a layer to its patched one. */
const LAYERS = {
  cluster: layers('cluster', patchCluster),
  listener: layers('listener', patchOneListener),
  routes: layers('routes', patchOneRoutes),
} as const

function layers(
  type: string,
  patch: (resource: EncodedResource, set: PatchSet) => EncodedResource | undefined,
): (layer: Encoded, set: PatchSet, namespace: string, place: number) => Encoded {
  const patchOnce = derive(`translate/envoy-filter/${type}`, patch)
  const update = deriveMap<[Encoded], [PatchSet, string, number], EncodedResource>(
    `translate/envoy-filter/${type}/layer`,
    (_, [resource], set) => resource && patchOnce(resource, set),
  )
  // All who have the same layer share the patched one; what follows a layer is likely its next version.
  return derive(`translate/envoy-filter/${type}/layers`, (layer, set, namespace, place) =>
    update([layer], set, namespace, place),
  )
}

function patchCluster(resource: EncodedResource, { role, patches }: PatchSet): EncodedResource | undefined {
  const context: Context =
    role === 'gateway' ? 'GATEWAY' : resource.name.startsWith('inbound|') ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND'
  const meant = patches.filter(
    (patch) =>
      patch.applyTo === 'CLUSTER' &&
      patch.operation !== 'ADD' &&
      isIn(patch, context) &&
      isCluster(resource.name, patch),
  )
  if (meant.length === 0) return resource
  if (meant.some(({ operation }) => operation === 'REMOVE')) return undefined
  const message = clone(ClusterSchema, resource.message as Cluster)
  for (const patch of meant) mergePatch(ClusterSchema, message, patch)
  return encodeCluster({ name: resource.name, message, sources: sourcesOf(resource, meant) })
}

/** Names are `DIRECTION|PORT|SUBSET|HOST`. */
function isCluster(name: string, { match }: Patch): boolean {
  const wanted = match.cluster ?? {}
  const [, port, subset, host] = name.split('|')
  return (
    (wanted.name === undefined || wanted.name === name) &&
    (wanted.portNumber === undefined || `${wanted.portNumber}` === port) &&
    (wanted.subset === undefined || wanted.subset === subset) &&
    (wanted.service === undefined || wanted.service === host)
  )
}

function patchOneListener(resource: EncodedResource, { role, patches }: PatchSet): EncodedResource | undefined {
  const original = resource.message as Listener
  const context: Context =
    role === 'gateway'
      ? 'GATEWAY'
      : original.trafficDirection === TrafficDirection.INBOUND
        ? 'SIDECAR_INBOUND'
        : 'SIDECAR_OUTBOUND'
  const candidates = patches.filter((patch) => isInListeners(patch) && isIn(patch, context))
  if (candidates.some((patch) => removesListener(original, patch))) return undefined
  const message = clone(ListenerSchema, original)
  const applied = candidates.filter((patch) => !isOfListener(patch, 'ADD') && patchListener(message, patch))
  if (applied.length === 0) return resource
  return encodeListener({ name: message.name, message, sources: sourcesOf(resource, applied) })
}

function isOfListener({ applyTo, operation }: Patch, which: Patch['operation']): boolean {
  return applyTo === 'LISTENER' && operation === which
}

function removesListener({ name, address }: Listener, patch: Patch): boolean {
  if (!isOfListener(patch, 'REMOVE')) return false
  const wanted = patch.match.listener ?? {}
  const port = address?.address.case === 'socketAddress' ? address.address.value.portSpecifier.value : undefined
  return (wanted.name ?? name) === name && (wanted.portNumber === undefined || wanted.portNumber === port)
}

const OF_ROUTES: readonly Patch['applyTo'][] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE']

function patchOneRoutes(resource: EncodedResource, { role, patches }: PatchSet): EncodedResource | undefined {
  const context: Context = role === 'gateway' ? 'GATEWAY' : 'SIDECAR_OUTBOUND'
  const here = patches.filter((patch) => isIn(patch, context))
  const candidates = here.filter(({ applyTo }) => OF_ROUTES.includes(applyTo))
  const toFilters = here.filter(givesFiltersWork)
  if (candidates.length + toFilters.length === 0) return resource
  const message = clone(RouteConfigurationSchema, resource.message as RouteConfiguration)
  const woken = toFilters.length > 0 && withoutIdleFilters(message) ? toFilters : []
  const applied = [...woken, ...candidates.filter((patch) => patchRoutes(message, patch))]
  if (applied.length === 0) return resource
  return encodeRoutes({ name: resource.name, message, sources: sourcesOf(resource, applied) })
}

/** Whether it may have a filter do something that otherwise does only what routes ask for. */
function givesFiltersWork(patch: Patch): boolean {
  const { applyTo, operation, value } = patch
  if (applyTo !== 'HTTP_FILTER' || operation === 'REMOVE') return false
  return merges(patch) || operation === 'REPLACE' || isIdleByItself((value as HttpFilter).name)
}

function isIn(patch: Patch, context: Context): boolean {
  return patch.context === 'ANY' || patch.context === context
}

/** What Envoy refuses is most likely the patch's fault: it comes first. */
function sourcesOf(resource: EncodedResource, applied: readonly Patch[]) {
  return [...new Set([...applied.map(({ filter }) => filter), ...resource.sources])]
}
