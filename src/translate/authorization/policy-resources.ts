import type { Workload } from '../../mesh/model.ts'
import { authorizationPolicies } from '../../mesh/selected-policies.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { EncodedResource } from '../encoded-resource.ts'
import { authenticationLayers } from '../jwt/authentication-layers.ts'
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

export function policyResources(snapshot: Snapshot, workload: Workload): PolicyResources {
  const authentication = authenticationLayers(snapshot, workload)
  const authorization = authorizationPolicies(snapshot, workload)
  return {
    extensions: [
      authentication.extension,
      customLayer(snapshot, workload, authorization),
      ...policyLayers(authorization),
    ],
    clusters: [authentication.cluster],
  }
}
