import { ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import type { Workload } from '../../mesh/model.ts'
import { requestAuthentications } from '../../mesh/selected-policies.ts'
import { services } from '../../mesh/services.ts'
import type { RequestAuthentication } from '../../resources/istio.ts'
import { derive } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { slotLayer } from '../authorization/policy-layers.ts'
import { HTTP_SLOTS } from '../authorization/slots.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { outboundCluster } from '../routes/destination.ts'
import { jwtFilter, keyUriOf } from './jwt-filter.ts'
import { type KeyServer, keyServer, keyServerCluster, keyServerResource } from './key-server.ts'

type Encoded = PersistentMap<EncodedResource>

/** What a workload's proxy has for RequestAuthentications: the same for all workloads that the same ones are for. */
export interface AuthenticationLayers {
  readonly extension: Encoded
  /** Of servers outside the mesh that keys come from. */
  readonly cluster: Encoded
}

export function authenticationLayers(snapshot: Snapshot, workload: Workload): AuthenticationLayers {
  const policies = requestAuthentications(snapshot, workload)
  if (policies.length === 0) return NONE
  const { namespace, role } = workload
  // Few and short: as texts they are part of what the layers are kept under.
  const clusters = policies.flatMap(({ spec }) =>
    (spec?.jwtRules ?? []).map((rule) => keyCluster(snapshot, namespace, keyUriOf(rule)) ?? ''),
  )
  return layersOf(...policies, role === 'gateway' ? 'reroute' : '', clusters.join(' '))
}

const layersOf = derive('translate/jwt', (...args: (RequestAuthentication | string)[]): AuthenticationLayers => {
  const policies = args.filter((arg) => typeof arg !== 'string')
  const [reroute, clusters] = args.filter((arg) => typeof arg === 'string')
  const rules = policies.flatMap(({ spec }) => spec?.jwtRules ?? [])
  const keyClusters = (clusters ?? '').split(' ').map((name) => name || undefined)
  const servers = rules.flatMap((rule, index) => {
    const server = keyServer(keyUriOf(rule) ?? '')
    return server && keyServerCluster(server) === keyClusters[index] ? [server] : []
  })
  return {
    extension: slotLayer({ [HTTP_SLOTS.authentication]: jwtFilter(rules, keyClusters, reroute !== '') }, policies),
    cluster: PersistentMap.from(
      servers.map((server) => {
        const message = keyServerResource(server)
        const { name } = message
        return [name, encodeCluster({ name, message, sources: policies })]
      }),
    ),
  }
})

const encodeCluster = encoder('cluster', ClusterSchema)
const NONE: AuthenticationLayers = {
  extension: slotLayer({ [HTTP_SLOTS.authentication]: jwtFilter([], [], false) }, []),
  cluster: PersistentMap.empty(),
}

/** A service of the mesh is called as everybody calls it; any other server, and all of TLS, by a cluster of its own. */
function keyCluster(snapshot: Snapshot, namespace: string, uri: string | undefined): string | undefined {
  const server = uri === undefined ? undefined : keyServer(uri)
  return server && (serviceCluster(snapshot, namespace, server) ?? keyServerCluster(server))
}

/** Of a service of the mesh that a server without TLS is; undefined where it is none that clients of the namespace see. */
export function serviceCluster(snapshot: Snapshot, namespace: string, server: KeyServer): string | undefined {
  const service = services(snapshot).get(server.host)
  const seen = service?.exportTo.some((to) => to === '*' || to === namespace)
  if (!server.tls && seen && service?.ports.some(({ number }) => number === server.port))
    return outboundCluster(service.host, server.port)
  return undefined
}
