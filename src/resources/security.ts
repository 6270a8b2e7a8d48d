/** Weft's own kinds about security (group security.weft.dev), defined in weft/security.yaml. */
import type * as api from '#gen/types/security.weft.dev_OIDCPolicy.d.ts'
import type { DeepReadonly } from './deep-readonly.ts'
import type { Resource } from './resource.ts'

export type OIDCPolicySpec = DeepReadonly<api.OIDCPolicySpec>
export type OIDCPolicy = Resource<OIDCPolicySpec>
