import { JwtAuthenticationSchema } from '#envoy/extensions/filters/http/jwt_authn/v3/config'
import type { Workload } from '../../mesh/model.ts'
import { authorizationPolicies } from '../../mesh/selected-policies.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { EncodedResource } from '../encoded-resource.ts'
import { typedConfig } from '../typed-config.ts'
import { httpRbac, networkRbac, policyLayers, slotLayer } from './policy-layers.ts'
import { HTTP_SLOTS, NETWORK_SLOTS } from './slots.ts'

/** What fills the slots for policies in a workload's listeners: the same maps for all workloads that the same policies are for. */
export function policyExtensions(snapshot: Snapshot, workload: Workload): readonly PersistentMap<EncodedResource>[] {
  return [unfilled, ...policyLayers(authorizationPolicies(snapshot, workload))]
}

const unfilled = slotLayer(
  {
    [HTTP_SLOTS.select]: httpRbac({}),
    [HTTP_SLOTS.external]: httpRbac({}),
    [HTTP_SLOTS.authentication]: typedConfig(JwtAuthenticationSchema, {}),
    [NETWORK_SLOTS.select]: networkRbac({}),
    [NETWORK_SLOTS.external]: networkRbac({}),
  },
  [],
)
