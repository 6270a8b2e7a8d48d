import type { Workload } from '../../mesh/model.ts'
import { authorizationPolicies } from '../../mesh/selected-policies.ts'
import { joined, perReads } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { EncodedResource } from '../encoded-resource.ts'
import { type AuthenticationLayers, authenticationLayers } from '../jwt/authentication-layers.ts'
import { customLayer } from './custom-layer.ts'
import { policyLayers } from './policy-layers.ts'

type Layers = readonly PersistentMap<EncodedResource>[]

/** What a workload's proxy has for policies about requests to it: the same maps for all workloads that the same policies are for. */
export interface PolicyResources {
  /** What fills the slots of its listeners. */
  readonly extensions: Layers
  /** What these call. */
  readonly clusters: Layers
}

export const policyResources = perReads((snapshot, workload: Workload): PolicyResources => {
  const authorization = authorizationPolicies(snapshot, workload)
  return together(
    authenticationLayers(snapshot, workload),
    customLayer(snapshot, workload, authorization),
    ...policyLayers(authorization),
  )
})

/** The same object for the same layers. */
const together = joined(
  (authentication: AuthenticationLayers, ...authorization: Layers): PolicyResources => ({
    extensions: [authentication.extension, ...authorization],
    clusters: [authentication.cluster],
  }),
)
