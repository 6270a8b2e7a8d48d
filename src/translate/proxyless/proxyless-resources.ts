import type { DescMessage } from '@bufbuild/protobuf'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type RouteConfiguration, RouteConfigurationSchema } from '#envoy/config/route/v3/route'
import { derive, deriveFlatMap, deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import {
  type EncodedResource,
  type EnvoyResource,
  encoder,
  type ProxyResources,
  type ResourceType,
} from '../encoded-resource.ts'
import { proxyResources } from '../proxy-resources.ts'
import { ANY_HOST } from '../routes/outbound-routes.ts'
import { proxylessCluster } from './clusters.ts'
import { proxylessEndpoints } from './endpoints.ts'
import { proxylessListeners } from './listeners.ts'
import { proxylessRoutes } from './routes.ts'

type Encoded = PersistentMap<EncodedResource>

/**
 * All that a gRPC library in a workload may see, which sends by itself what others send through a proxy: made from what the workload's proxy sees, so
 * that both go by the same rules. Only its calls: what it serves is served without a mesh.
 * @param workloadKey `namespace/pod`
 * @returns undefined where there is no such workload
 */
export function proxylessResources(snapshot: Snapshot, workloadKey: string): ProxyResources | undefined {
  const proxy = proxyResources(snapshot, workloadKey)
  if (!proxy) return undefined
  const namespace = workloadKey.slice(0, workloadKey.indexOf('/'))
  const { cluster = [], endpoints = [], routes = [] } = proxy
  return {
    cluster: cluster.map((layer, i) => clustersOf([layer], namespace, i)),
    endpoints: endpoints.map((layer, i) => endpointsOf([layer], namespace, i)),
    listener: routes.map((layer, i) => encodedListeners([listenersOf([layer], namespace, i)], namespace, i)),
    routes: routes.map((layer, i) => routesOf([layer], namespace, i)),
  }
}

/** Makes a layer of another: each resource once, in however many layers it is. */
function adapted<D extends DescMessage, M>(type: ResourceType, schema: D, adapt: (message: M) => M | undefined) {
  const encode = encoder(type, schema)
  const adaptOne = derive(`translate/proxyless/${type}`, (resource: EncodedResource): EncodedResource | undefined => {
    const message = adapt(resource.message as M)
    return message && encode({ name: resource.name, message: message as never, sources: resource.sources })
  })
  return deriveMap<[Encoded], [string, number], EncodedResource>(
    `translate/proxyless/${type}/layer`,
    (_, [resource]) => resource && adaptOne(resource),
  )
}

const clustersOf = adapted<typeof ClusterSchema, Cluster>('cluster', ClusterSchema, (cluster) =>
  cluster.name.startsWith('outbound|') ? proxylessCluster(cluster) : undefined,
)
const endpointsOf = adapted<typeof ClusterLoadAssignmentSchema, ClusterLoadAssignment>(
  'endpoints',
  ClusterLoadAssignmentSchema,
  proxylessEndpoints,
)
const routesOf = adapted<typeof RouteConfigurationSchema, RouteConfiguration>(
  'routes',
  RouteConfigurationSchema,
  (routes) => (routes.name === ANY_HOST ? undefined : proxylessRoutes(routes)),
)

const listenersOf = deriveFlatMap<[Encoded], [string, number], EnvoyResource<Listener>>(
  'translate/proxyless/listener',
  (_, [resource], namespace) =>
    resource && resource.name !== ANY_HOST
      ? proxylessListeners(resource.message as RouteConfiguration, namespace, resource.sources)
      : [],
)
const encodeListener = encoder('listener', ListenerSchema)
const encodedListeners = deriveMap<[PersistentMap<EnvoyResource<Listener>>], [string, number], EncodedResource>(
  'translate/proxyless/listener/encoded',
  (_, [resource]) => resource && encodeListener(resource),
)
