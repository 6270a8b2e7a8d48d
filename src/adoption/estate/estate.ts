import type { PodTemplate } from '../../resources/core.ts'
import type { Message } from '../../resources/message.ts'
import { compareTexts } from '../../resources/text-order.ts'

/** A Kubernetes object of any kind, as it was written or as an API server has it: unlike a Resource, checked by nobody. */
export interface EstateObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly {
      readonly kind: string
      readonly name: string
      readonly controller?: boolean
    }[]
  }
  readonly [field: string]: unknown
}

/** A kind that could not be looked for, and why: of its objects nothing is known, which is not the same as that there are none. */
export interface Unread {
  readonly kind: EstateKind
  readonly why: string
}

/** What a company runs, as far as it can be seen: in a cluster, in files, or in a mesh that runs. */
export interface Estate {
  /** For people: `files in deploy/`, `the cluster at https://...`. */
  readonly label: string
  /** Whether this is what runs; false for what is merely written. */
  readonly live: boolean
  readonly objects: readonly EstateObject[]
  readonly unread: readonly Unread[]
  /** API groups that are served, or that objects are of: they tell which tools are there. */
  readonly groups: readonly string[]
  /** About files that cannot be read. */
  readonly messages: readonly Message[]
}

/** The kinds that adoption looks into, with the version to ask for. */
export const ESTATE_KINDS = {
  Namespace: 'v1',
  Node: 'v1',
  Pod: 'v1',
  Service: 'v1',
  ServiceAccount: 'v1',
  ResourceQuota: 'v1',
  LimitRange: 'v1',
  Deployment: 'apps/v1',
  StatefulSet: 'apps/v1',
  DaemonSet: 'apps/v1',
  Job: 'batch/v1',
  CronJob: 'batch/v1',
  HorizontalPodAutoscaler: 'autoscaling/v2',
  PodDisruptionBudget: 'policy/v1',
  NetworkPolicy: 'networking.k8s.io/v1',
  Ingress: 'networking.k8s.io/v1',
  ClusterRoleBinding: 'rbac.authorization.k8s.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  AuthorizationPolicy: 'security.istio.io/v1',
  Application: 'adoption.weft.dev/v1alpha1',
} as const

export type EstateKind = keyof typeof ESTATE_KINDS

/** Namespaces of Kubernetes, of meshes and of clusters' own tools: nobody's applications. */
const SYSTEM = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'weft-system',
  'istio-system',
  'local-path-storage',
  'gateway-system',
])

function isSystem(namespace: string | undefined): boolean {
  return namespace !== undefined && SYSTEM.has(namespace)
}

/** Objects of a kind, those of system namespaces left out. */
export function objectsOf(estate: Estate, kind: EstateKind): readonly EstateObject[] {
  const group = groupOf(ESTATE_KINDS[kind])
  return estate.objects.filter(
    (object) =>
      object.kind === kind &&
      groupOf(object.apiVersion) === group &&
      !isSystem(object.metadata.namespace ?? nameOfNamespace(object)),
  )
}

function nameOfNamespace({ kind, metadata }: EstateObject): string | undefined {
  return kind === 'Namespace' ? metadata.name : undefined
}

/** `apps` of `apps/v1`, '' of `v1`. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
}

/** Why nothing is known of these kinds; undefined where all could be read. */
export function whyUnread(estate: Estate, kinds: readonly EstateKind[]): string | undefined {
  const missing = estate.unread.filter(({ kind }) => kinds.includes(kind))
  return missing.length === 0 ? undefined : missing.map(({ kind, why }) => `${kind}: ${why}`).join('; ')
}

/** How an object is named to people. */
export function nameOf({ kind, metadata: { name, namespace } }: EstateObject): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

/** What runs pods: a Deployment and the like, or a pod that nobody makes. */
export interface AppWorkload {
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'Job' | 'CronJob' | 'Pod'
  readonly name: string
  readonly namespace: string
  readonly template: PodTemplate
  /** As written; absent where it does not say, or has no such number. */
  readonly replicas?: number
  readonly object: EstateObject
}

interface Templated {
  readonly replicas?: number
  readonly template?: PodTemplate
  readonly jobTemplate?: { readonly spec?: { readonly template?: PodTemplate } }
}

const RUNNERS = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job', 'Pod'] as const

/** All workloads that are not made by others, without those of system namespaces, by namespace and name. */
export function workloadsOf(estate: Estate): readonly AppWorkload[] {
  return RUNNERS.flatMap((kind) =>
    objectsOf(estate, kind).flatMap((object): AppWorkload[] => {
      if (object.metadata.ownerReferences?.some(({ controller }) => controller)) return []
      const spec = (object['spec'] ?? {}) as Templated
      const own = kind === 'Pod' ? { metadata: object.metadata, spec: object['spec'] } : undefined
      const template = (own ?? spec.jobTemplate?.spec?.template ?? spec.template) as PodTemplate | undefined
      if (!template?.spec) return []
      const { name, namespace = 'default' } = object.metadata
      const replicas = typeof spec.replicas === 'number' ? { replicas: spec.replicas } : {}
      return [{ kind, name, namespace, template, ...replicas, object }]
    }),
  ).sort(
    (a, b) => compareTexts(a.namespace, b.namespace) || compareTexts(a.name, b.name) || compareTexts(a.kind, b.kind),
  )
}

/** Whether it is there all the time: a Job ends by itself. */
export function isServer({ kind }: AppWorkload): boolean {
  return kind !== 'Job' && kind !== 'CronJob'
}

/** A port of a Service, as far as adoption looks at it. */
export interface EstatePort {
  readonly port: number
  readonly name?: string
  readonly protocol?: string
  readonly appProtocol?: string
  readonly targetPort?: number | string
}

interface ServiceFields {
  readonly selector?: Readonly<Record<string, string>>
  readonly ports?: readonly EstatePort[]
  readonly clusterIP?: string
}

/** The fields of a Service. */
export function serviceFields(service: EstateObject): ServiceFields {
  return (service['spec'] ?? {}) as ServiceFields
}

/** Services that send to the pods of a workload. */
export function servicesOf(estate: Estate, { namespace, template }: AppWorkload): readonly EstateObject[] {
  const labels = template.metadata?.labels ?? {}
  return objectsOf(estate, 'Service').filter((service) => {
    const wanted = Object.entries(serviceFields(service).selector ?? {})
    return (
      (service.metadata.namespace ?? 'default') === namespace &&
      wanted.length > 0 &&
      wanted.every(([key, value]) => labels[key] === value)
    )
  })
}

/** Whether a label selector (as in `spec.selector` of a PodDisruptionBudget) takes in pods with these labels; an empty one takes all. */
export function selects(
  selector:
    | {
        readonly matchLabels?: Readonly<Record<string, string>>
        readonly matchExpressions?: readonly {
          readonly key: string
          readonly operator: string
          readonly values?: readonly string[]
        }[]
      }
    | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (!selector) return false
  const all = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return (
    all &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      if (operator === 'In') return value !== undefined && values.includes(value)
      return value === undefined || !values.includes(value)
    })
  )
}
