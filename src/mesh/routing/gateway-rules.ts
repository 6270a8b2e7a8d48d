import type { VirtualService } from '../../resources/istio.ts'
import { deriveIndex, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type ClientPolicy, publicClientPolicies } from '../destination-rules.ts'
import type { Service } from '../model.ts'
import { services } from '../services.ts'
import { hashingPolicies, type Targets } from './called-hosts.ts'
import { destinationHosts } from './destinations.ts'
import { deriveReferences } from './references.ts'
import { gatewaysOf, MESH } from './virtual-services.ts'

/** A VirtualService with what is known of the hosts that it sends to. */
export interface GatewayRule {
  readonly virtualService: VirtualService
  readonly targets: Targets
}

/** By `namespace/name` of the Istio Gateways that they name: VirtualServices, by `namespace/name`. */
export function gatewayRules(snapshot: Snapshot): PersistentMap<PersistentMap<GatewayRule>> {
  const bound = forGateways([snapshot.all('networking.istio.io/VirtualService')])
  const policies = hashingPolicies(publicClientPolicies(snapshot))
  return byGateway(rules([bound, targetServices(bound, services(snapshot)), targetPolicies(bound, policies)]))
}

const forGateways = deriveMap<[PersistentMap<VirtualService>], [], VirtualService>(
  'mesh/gateway-rules/bound',
  (_, [virtualService]) =>
    virtualService && gatewaysOf(virtualService).some((gateway) => gateway !== MESH) ? virtualService : undefined,
)

const namesOf = (_: string, virtualService: VirtualService) => destinationHosts(virtualService)
const targetServices = deriveReferences<VirtualService, Service>('mesh/gateway-rules/services', namesOf)
const targetPolicies = deriveReferences<VirtualService, ClientPolicy>('mesh/gateway-rules/policies', namesOf)

const rules = deriveMap<
  [PersistentMap<VirtualService>, PersistentMap<PersistentMap<Service>>, PersistentMap<PersistentMap<ClientPolicy>>],
  [],
  GatewayRule
>(
  'mesh/gateway-rules',
  (_, [virtualService, services = PersistentMap.empty(), policies = PersistentMap.empty()]) =>
    virtualService && { virtualService, targets: { services, policies } },
)

const byGateway = deriveIndex<GatewayRule>('mesh/gateway-rules/by-gateway', (_, { virtualService }) =>
  gatewaysOf(virtualService).filter((gateway) => gateway !== MESH),
)
