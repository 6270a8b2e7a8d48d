/** Weft's own kinds about adoption (group adoption.weft.dev), defined in weft/adoption.yaml. */
import type * as api from '#gen/types/adoption.weft.dev_Application.d.ts'
import type * as onboarding from '#gen/types/adoption.weft.dev_Onboarding.d.ts'
import type { DeepReadonly } from './deep-readonly.ts'
import type { Resource } from './resource.ts'

export type ApplicationSpec = DeepReadonly<api.ApplicationSpec>
export type Application = Resource<ApplicationSpec, DeepReadonly<api.ApplicationStatus>>

export type OnboardingResourceSpec = DeepReadonly<NonNullable<onboarding.OnboardingSpec>>
/** `Onboarding` as people write it; how far it is stands in its status. */
export type Onboarding = Resource<OnboardingResourceSpec, DeepReadonly<onboarding.OnboardingStatus>>
