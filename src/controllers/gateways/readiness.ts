import { infrastructureName } from '../../mesh/routing/gateway-names.ts'
import type { EndpointSlice } from '../../resources/core.ts'
import type { Gateway } from '../../resources/gateway-api.ts'
import { deriveFlatMap, deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'

/** By key (`namespace/name`): the Services made for Gateways of which a replica takes traffic. The same map while that stays so. */
export function servedGateways(snapshot: Snapshot): PersistentMap<true> {
  const made = madeServices([snapshot.all('gateway.networking.k8s.io/Gateway')])
  return servedOf([made, servedServices([snapshot.all('discovery.k8s.io/EndpointSlice')])])
}

const madeServices = deriveFlatMap<[PersistentMap<Gateway>], [], true>(
  'controllers/gateway-services',
  (_, [gateway]) => (gateway ? [[`${gateway.metadata.namespace}/${infrastructureName(gateway)}`, true]] : []),
)

const servedServices = deriveFlatMap<[PersistentMap<EndpointSlice>], [], true>(
  'controllers/served-services',
  (_, [slice]) => {
    const name = slice?.metadata.labels?.['kubernetes.io/service-name']
    const isServed = slice?.endpoints?.some(({ conditions }) => conditions?.ready ?? true)
    return name && isServed ? [[`${slice?.metadata.namespace}/${name}`, true]] : []
  },
)

const servedOf = deriveMap<[PersistentMap<true>, PersistentMap<true>], [], true>(
  'controllers/served-gateways',
  (_, [made, served]) => made && served,
)
