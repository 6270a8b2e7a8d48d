import type { HttpRetry, VirtualService } from '../../resources/istio.ts'
import { deriveIndex, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { ClientPolicy } from '../destination-rules.ts'
import { meshConfig } from '../mesh-config.ts'
import type { Service } from '../model.ts'
import { byAge } from '../precedence.ts'
import { services } from '../services.ts'
import { delegateKeys, withDelegates } from './delegation.ts'
import { destinationHosts } from './destinations.ts'
import { deriveReferences } from './references.ts'
import { routingPolicies, type Targets } from './targets.ts'
import { gatewaysOf, hostsOf, isVisible, MESH, virtualServices } from './virtual-services.ts'

/** A VirtualService, with its delegates' routes in it, and what is known of the hosts that it sends to. */
export interface VirtualServiceRule {
  readonly virtualService: VirtualService
  readonly targets: Targets
  /** What it is made of: first itself, then its delegates. */
  readonly sources: readonly VirtualService[]
}

/** Rules that claim the same host or gateway, by `namespace/name`. */
export type VirtualServiceRules = PersistentMap<VirtualServiceRule>

/** By each host that they claim (which may be a wildcard): the rules for calls between workloads. */
export function meshRules(snapshot: Snapshot): PersistentMap<VirtualServiceRules> {
  return byHost(virtualServiceRules(snapshot))
}

/** By `namespace/name` of the Istio Gateways that they name. */
export function gatewayRules(snapshot: Snapshot): PersistentMap<VirtualServiceRules> {
  return byGateway(virtualServiceRules(snapshot))
}

/**
 * Of rules that claim one host the one that counts for clients in `namespace`: the oldest that they see. Without a namespace, the one that
 * counts for clients who see only what everybody sees.
 */
export function ruleFor(rules: VirtualServiceRules, namespace: string | undefined): VirtualServiceRule | undefined {
  const visible = [...rules.values()].filter(({ virtualService }) => isVisible(virtualService, namespace))
  return visible.sort((a, b) => byAge(a.virtualService, b.virtualService))[0]
}

function virtualServiceRules(snapshot: Snapshot): VirtualServiceRules {
  const all = virtualServices(snapshot)
  const merged = effective([all, delegatesOf(all, all)], meshConfig(snapshot).retries)
  return rules([merged, servicesOf(merged, services(snapshot)), policiesOf(merged, routingPolicies(snapshot))])
}

interface Effective {
  readonly virtualService: VirtualService
  readonly sources: readonly VirtualService[]
}

const NO_DELEGATES = PersistentMap.empty<VirtualService>()
const NO_SERVICES = PersistentMap.empty<Service>()
const NO_POLICIES = PersistentMap.empty<ClientPolicy>()

const delegatesOf = deriveReferences<VirtualService, VirtualService>('mesh/virtual-services/delegates', (_, each) =>
  delegateKeys(each),
)

const effective = deriveMap<
  [PersistentMap<VirtualService>, PersistentMap<PersistentMap<VirtualService>>],
  [HttpRetry | undefined],
  Effective
>(
  'mesh/virtual-services/effective',
  (_, [root, delegates = NO_DELEGATES], retries) =>
    root && {
      virtualService: withRetries(withDelegates(root, delegates), retries),
      sources: [root, ...delegates.values()],
    },
)

/** With the mesh config's retries where a route has none of its own. */
function withRetries(virtualService: VirtualService, retries: HttpRetry | undefined): VirtualService {
  const { spec } = virtualService
  if (!retries || !spec?.http) return virtualService
  return { ...virtualService, spec: { ...spec, http: spec.http.map((route) => ({ retries, ...route })) } }
}

const namesOf = (_: string, { virtualService }: Effective) => destinationHosts(virtualService)
const servicesOf = deriveReferences<Effective, Service>('mesh/virtual-services/services', namesOf)
const policiesOf = deriveReferences<Effective, ClientPolicy>('mesh/virtual-services/policies', namesOf)

const rules = deriveMap<
  [PersistentMap<Effective>, PersistentMap<PersistentMap<Service>>, PersistentMap<PersistentMap<ClientPolicy>>],
  [],
  VirtualServiceRule
>(
  'mesh/virtual-services/rules',
  (_, [merged, services = NO_SERVICES, policies = NO_POLICIES]) =>
    merged && { ...merged, targets: { services, policies } },
)

const byHost = deriveIndex<VirtualServiceRule>('mesh/virtual-services/rules-by-host', (_, { virtualService }) =>
  gatewaysOf(virtualService).includes(MESH) ? hostsOf(virtualService) : [],
)

const byGateway = deriveIndex<VirtualServiceRule>('mesh/virtual-services/rules-by-gateway', (_, { virtualService }) =>
  gatewaysOf(virtualService).filter((gateway) => gateway !== MESH),
)
