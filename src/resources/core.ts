/** The kinds of Kubernetes itself that a mesh reads, and names for the parts of them that are worked with. */
import type * as api from '#gen/types/core.d.ts'
import type { DeepReadonly } from './deep-readonly.ts'
import type { Resource } from './resource.ts'

export type Namespace = Resource<DeepReadonly<api.NamespaceSpec>, DeepReadonly<api.NamespaceStatus>>

export type ServiceSpec = DeepReadonly<api.ServiceSpec>
export type ServicePort = DeepReadonly<api.ServicePort>
export type Service = Resource<ServiceSpec, DeepReadonly<api.ServiceStatus>>

export type PodSpec = DeepReadonly<api.PodSpec>
export type PodStatus = DeepReadonly<api.PodStatus>
export type PodTemplate = DeepReadonly<api.PodTemplateSpec>
export type Pod = Resource<PodSpec, PodStatus>
export type Container = DeepReadonly<api.Container>
export type EnvironmentVariable = DeepReadonly<api.EnvVar>

export type Node = Resource<DeepReadonly<api.NodeSpec>, DeepReadonly<api.NodeStatus>>

export type DeploymentSpec = DeepReadonly<api.DeploymentSpec>
export type Deployment = Resource<DeploymentSpec, DeepReadonly<api.DeploymentStatus>>

export type LabelSelector = DeepReadonly<api.LabelSelector>
export type LabelSelectorRequirement = DeepReadonly<api.LabelSelectorRequirement>

/** The fields of a kind that has them at the top rather than in `spec`. */
type Fields<T> = DeepReadonly<Omit<T, 'apiVersion' | 'kind' | 'metadata'>>

export type Secret = Resource<never, never> & Fields<api.Secret>
export type ConfigMap = Resource<never, never> & Fields<api.ConfigMap>
export type ServiceAccount = Resource<never, never> & Fields<api.ServiceAccount>
export type EndpointSlice = Resource<never, never> & Fields<api.EndpointSlice>
