/** Weft's own kinds about seeing that all is well (group observability.weft.dev), defined in weft/observability.yaml. */
import type * as receivers from '#gen/types/observability.weft.dev_AlertReceiver.d.ts'
import type * as rules from '#gen/types/observability.weft.dev_AlertRule.d.ts'
import type * as objectives from '#gen/types/observability.weft.dev_ServiceLevelObjective.d.ts'
import type * as silences from '#gen/types/observability.weft.dev_Silence.d.ts'
import type { DeepReadonly } from './deep-readonly.ts'
import type { Resource } from './resource.ts'

export type ServiceLevelObjectiveSpec = DeepReadonly<objectives.ServiceLevelObjectiveSpec>
export type ServiceLevelObjective = Resource<ServiceLevelObjectiveSpec>
export type AlertRuleSpec = DeepReadonly<rules.AlertRuleSpec>
export type AlertRule = Resource<AlertRuleSpec>
export type AlertReceiverSpec = DeepReadonly<receivers.AlertReceiverSpec>
export type AlertReceiver = Resource<AlertReceiverSpec>
export type SilenceSpec = DeepReadonly<silences.SilenceSpec>
export type Silence = Resource<SilenceSpec>
/** Which alerts a receiver or a silence is about. */
export type AlertMatch = NonNullable<SilenceSpec['match']>
