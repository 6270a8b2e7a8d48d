import {
  AGENT_NAME,
  CA_SECRET,
  INJECTOR_WEBHOOK,
  LEADER_LEASE,
  OIDC_PROVIDERS_CONFIG_MAP,
  ROOT_CERT_CONFIG_MAP,
  SERVER_NAME,
  VALIDATOR_WEBHOOK,
} from '../resources/cluster-names.ts'
import { KINDS } from '../resources/kinds.ts'

/** A rule of RBAC, and why it is needed: `docs/reference/rbac.md` is made of these. */
export interface Permission {
  /** '' is the core group. */
  readonly group: string
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  /** Only objects of these names. That `create` can be held to names is so because all objects are made by server-side apply, which names them. */
  readonly names?: readonly string[]
  readonly reason: string
}

export interface Grant {
  /** The service account. */
  readonly account: string
  /** `cluster`: everywhere. `own namespace`: where Weft is installed. */
  readonly scope: 'cluster' | 'own namespace'
  readonly permissions: readonly Permission[]
}

const READ = ['list', 'watch']
/** What is written is read first, one at a time. */
const KEEP = ['get', 'list', 'create', 'patch', 'delete']

/** Kinds of a group, in the plural. */
function kindsOf(group: string): string[] {
  return Object.values(KINDS).flatMap((kind) => (kind.group === group ? [kind.plural] : []))
}

function statusesOf(group: string, resources = kindsOf(group)): string[] {
  return resources.map((resource) => `${resource}/status`)
}

const GATEWAY_API = 'gateway.networking.k8s.io'
const ADOPTION = 'adoption.weft.dev'
const OBSERVABILITY = 'observability.weft.dev'
const SECURITY = 'security.weft.dev'
const ISTIO_GROUPS = ['extensions.istio.io', 'networking.istio.io', 'security.istio.io', 'telemetry.istio.io']

const SERVER_EVERYWHERE: readonly Permission[] = [
  {
    group: '',
    resources: ['services', 'pods', 'nodes', 'namespaces', 'serviceaccounts'],
    verbs: READ,
    reason: 'what proxies route to, who workloads are, in which zone they run, and which namespaces the mesh looks at',
  },
  {
    group: '',
    resources: ['namespaces'],
    verbs: ['get'],
    reason: 'the labels of a namespace that was made a moment ago, when a pod is made in it',
  },
  { group: 'discovery.k8s.io', resources: ['endpointslices'], verbs: READ, reason: 'the addresses behind services' },
  {
    group: '',
    resources: ['secrets'],
    verbs: READ,
    reason:
      'certificates of gateways (credentialName, certificateRefs) and secrets that OIDCPolicies name may be in any namespace. Only the keys of these are kept, and tokens, image pull secrets and Helm releases are not even asked for',
  },
  {
    group: '',
    resources: ['configmaps'],
    verbs: READ,
    reason: 'the settings of the mesh, and CAs that BackendTLSPolicies and Gateways name',
  },
  {
    group: '',
    resources: ['configmaps'],
    names: [ROOT_CERT_CONFIG_MAP],
    verbs: ['create', 'patch'],
    reason: "the mesh's root certificates, in every namespace, for the proxies of the pods there",
  },
  ...ISTIO_GROUPS.flatMap((group) => [
    { group, resources: kindsOf(group), verbs: READ, reason: "the mesh's configuration" },
    {
      group,
      resources: statusesOf(group),
      verbs: ['patch'],
      reason: 'to say what is wrong with an object where its author looks',
    },
  ]),
  {
    group: 'networking.istio.io',
    resources: ['workloadentries'],
    verbs: ['create', 'patch', 'delete'],
    reason: 'members of WorkloadGroups: hosts outside of the cluster that have joined, and those that are gone',
  },
  { group: GATEWAY_API, resources: kindsOf(GATEWAY_API), verbs: READ, reason: 'Gateways, routes and policies' },
  {
    group: GATEWAY_API,
    resources: statusesOf(GATEWAY_API),
    verbs: ['patch'],
    reason: 'the conditions that Gateway API asks of an implementation',
  },
  {
    group: ADOPTION,
    resources: kindsOf(ADOPTION),
    verbs: READ,
    reason: 'which workloads are which application, and whose',
  },
  {
    group: OBSERVABILITY,
    resources: kindsOf(OBSERVABILITY),
    verbs: READ,
    reason: 'what is promised of services, what alerts, and who is told',
  },
  {
    group: SECURITY,
    resources: kindsOf(SECURITY),
    verbs: READ,
    reason: 'who has to sign on at gateways, and with which provider',
  },
  {
    group: 'apiextensions.k8s.io',
    resources: ['customresourcedefinitions'],
    verbs: READ,
    reason: 'which kinds are installed, in which versions; kinds that are added later count at once',
  },
  {
    group: 'apps',
    resources: ['deployments'],
    verbs: KEEP,
    reason: 'a Gateway of class weft gets a Deployment in its namespace',
  },
  {
    group: '',
    resources: ['services', 'serviceaccounts'],
    verbs: ['get', 'create', 'patch', 'delete'],
    reason: 'the Service and the ServiceAccount of such a Gateway',
  },
  {
    group: 'autoscaling',
    resources: ['horizontalpodautoscalers'],
    verbs: KEEP,
    reason: 'scaling of such a Gateway, where its parameters ask for it',
  },
  {
    group: 'policy',
    resources: ['poddisruptionbudgets'],
    verbs: KEEP,
    reason: 'such a Gateway stays up while nodes are drained',
  },
  {
    group: 'authentication.k8s.io',
    resources: ['tokenreviews'],
    verbs: ['create'],
    reason: 'node agents show who they are by a token that the API server knows',
  },
  {
    group: 'admissionregistration.k8s.io',
    resources: ['mutatingwebhookconfigurations'],
    names: [INJECTOR_WEBHOOK],
    verbs: ['get', 'patch'],
    reason: 'the caBundle of the webhook that adds proxies to pods, when the CA is made or renewed',
  },
  {
    group: 'admissionregistration.k8s.io',
    resources: ['validatingwebhookconfigurations'],
    names: [VALIDATOR_WEBHOOK],
    verbs: ['get', 'patch'],
    reason: 'the caBundle of the webhook that checks configuration',
  },
]

const SERVER_AT_HOME: readonly Permission[] = [
  {
    group: '',
    resources: ['configmaps'],
    names: [OIDC_PROVIDERS_CONFIG_MAP],
    verbs: ['get', 'create', 'patch'],
    reason: 'what the OpenID providers that OIDCPolicies name say of themselves, for all servers and their next start',
  },
  {
    group: '',
    resources: ['secrets'],
    names: [CA_SECRET],
    verbs: ['get', 'create', 'patch', 'update'],
    reason: 'the certificate authority, made by the first server and shared by all',
  },
  {
    group: 'coordination.k8s.io',
    resources: ['leases'],
    names: [LEADER_LEASE],
    verbs: ['get', 'create', 'patch', 'update'],
    reason: 'one server at a time writes statuses and keeps the objects above true',
  },
]

const AGENT_EVERYWHERE: readonly Permission[] = [
  {
    group: 'authentication.k8s.io',
    resources: ['tokenreviews'],
    verbs: ['create'],
    reason: 'a pod shows who it is by a token that the API server knows',
  },
  {
    group: '',
    resources: ['pods'],
    verbs: ['get'],
    reason:
      'the annotations of a pod on its node, which say what traffic is captured. It asks for one pod at a time and lists none',
  },
]

/** All that Weft may do in a cluster. */
export const GRANTS: readonly Grant[] = [
  { account: SERVER_NAME, scope: 'cluster', permissions: SERVER_EVERYWHERE },
  { account: SERVER_NAME, scope: 'own namespace', permissions: SERVER_AT_HOME },
  { account: AGENT_NAME, scope: 'cluster', permissions: AGENT_EVERYWHERE },
]
