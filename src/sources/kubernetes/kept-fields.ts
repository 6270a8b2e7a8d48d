import { OIDC_SECRET_KEYS, ROOT_CERT_KEY } from '../../resources/cluster-names.ts'
import type { Kind, KindId } from '../../resources/kinds.ts'
import type { ApiObject } from './list-watch.ts'

type Fields = Readonly<Record<string, unknown>>
type List = readonly Fields[]

/**
 * An object with only what Weft reads, as `readObject` takes it: a pod shrinks to a tenth, and an update of anything else is none.
 * Statuses of Istio's and Gateway API's kinds are dropped, too, but for WorkloadEntry: it is we who write them.
 * @returns undefined for objects of which nothing is read
 */
export function keptFields(kind: Kind, version: string, object: ApiObject): Fields | undefined {
  const keep = KEPT[kind.id]
  const kept = keep ? keep(object) : { spec: object['spec'] }
  if (!kept) return undefined
  // Items of a list of built-in kinds don't say what they are.
  const apiVersion = kind.group === '' ? version : `${kind.group}/${version}`
  return { apiVersion, kind: kind.kind, metadata: keptMetadata(kind, object.metadata), ...kept }
}

/** Kinds that do not simply keep their `spec`. */
const KEPT: Readonly<Partial<Record<KindId, (object: ApiObject) => Fields | undefined>>> = {
  'core/Namespace': () => ({}),
  'core/Node': () => ({}),
  'core/ServiceAccount': () => ({}),
  'core/Service': ({ spec, status }) => ({ spec, ...some({ status: pick(status, ['loadBalancer']) }) }),
  'core/Pod': ({ spec, status }) => ({
    spec: keptPodSpec(spec as Fields),
    ...some({ status: keptPodStatus(status as Fields | undefined) }),
  }),
  'discovery.k8s.io/EndpointSlice': ({ addressType, endpoints, ports }) => ({
    addressType,
    endpoints: ((endpoints ?? []) as List).map((endpoint) => ({
      ...pick(endpoint, ['addresses', 'conditions', 'hostname', 'nodeName', 'zone']),
      ...some({ targetRef: pick(endpoint['targetRef'], ['kind', 'name', 'namespace']) }),
    })),
    ...some({ ports }),
  }),
  // Its host says in it how it is; when it said so last changes all the time.
  'networking.istio.io/WorkloadEntry': ({ spec, status }) => {
    const conditions = ((status as Fields | undefined)?.['conditions'] ?? []) as List
    const healthy = conditions.filter(({ type }) => type === 'Healthy').map((each) => pick(each, ['type', 'status']))
    return { spec, ...(healthy.length > 0 ? { status: { conditions: healthy } } : {}) }
  },
  'core/Secret': ({ type, data }) => {
    const kept = pick(data, CREDENTIAL_KEYS)
    return kept && { type, data: kept }
  },
  'core/ConfigMap': ({ metadata, data }) => {
    const keys = metadata.name === MESH_CONFIG.name && metadata.namespace === MESH_CONFIG.namespace
    const kept = pick(data, keys ? MESH_CONFIG.keys : CONFIG_MAP_KEYS)
    return kept && { data: kept }
  },
}

/** Where the settings of the whole mesh are, as with Istio. */
export const MESH_CONFIG = { namespace: 'istio-system', name: 'istio', keys: ['mesh', 'meshNetworks'] } as const

/** What a ConfigMap may hold for us: the mesh's own roots, roots that servers are verified by, and what `parametersRef` of a Gateway asks for (src/controllers/gateways). */
const CONFIG_MAP_KEYS = [
  ROOT_CERT_KEY,
  'ca.crt',
  'deployment',
  'service',
  'serviceAccount',
  'horizontalPodAutoscaler',
  'podDisruptionBudget',
] as const

/** What a Secret for a gateway may hold, in the names of Kubernetes and of Istio, and what an OIDCPolicy wants. Passwords of applications stay out of our memory. */
const CREDENTIAL_KEYS = [
  'tls.crt',
  'tls.key',
  'ca.crt',
  'ca.crl',
  'cert',
  'key',
  'cacert',
  'crl',
  ...OIDC_SECRET_KEYS,
] as const

/** Objects that are not even sent to us. Of pods those that have ended; of Secrets and ConfigMaps those that everybody has many of. */
export const FIELD_SELECTORS: Readonly<Partial<Record<KindId, string>>> = {
  'core/Pod': 'status.phase!=Succeeded,status.phase!=Failed',
  'core/Secret': [
    'kubernetes.io/service-account-token',
    'helm.sh/release.v1',
    'bootstrap.kubernetes.io/token',
    'kubernetes.io/dockerconfigjson',
    'kubernetes.io/dockercfg',
    'kubernetes.io/basic-auth',
    'kubernetes.io/ssh-auth',
  ]
    .map((type) => `type!=${type}`)
    .join(','),
  'core/ConfigMap': 'metadata.name!=kube-root-ca.crt,metadata.name!=istio-ca-root-cert',
}

function keptPodSpec(spec: Fields): Fields {
  const containers = (list: unknown) =>
    (list as List | undefined)?.map((container) => pick(container, ['name', 'image', 'ports', 'restartPolicy']))
  return {
    ...pick(spec, ['serviceAccountName', 'nodeName', 'hostNetwork', 'hostname', 'subdomain']),
    containers: containers(spec['containers']) ?? [],
    ...some({ initContainers: containers(spec['initContainers']) }),
  }
}

/** Of kinds whose annotations are written again and again, and read by nobody here. */
const WITHOUT_ANNOTATIONS: ReadonlySet<KindId> = new Set([
  'core/Node',
  'core/ConfigMap',
  'core/Secret',
  'discovery.k8s.io/EndpointSlice',
])
const SLICE_LABELS = ['kubernetes.io/service-name', 'endpointslice.kubernetes.io/managed-by']
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** Whether a pod is ready matters where a ServiceEntry selects it, and is told by slices else: what is ready is as if nothing were said, so that few pods change by it. */
function keptPodStatus(status: Fields | undefined): Fields | undefined {
  const conditions = ((status?.['conditions'] ?? []) as List).filter(
    ({ type, status: is }) => type === 'Ready' && is === 'False',
  )
  const kept = pick(status, ['phase', 'podIP', 'podIPs', 'hostIP'])
  if (conditions.length === 0) return kept
  return { ...kept, conditions: conditions.map((each) => pick(each, ['type', 'status'])) }
}

function keptMetadata(kind: Kind, metadata: Fields): Fields {
  const { labels, annotations, ownerReferences } = metadata
  const slice = kind.id === 'discovery.k8s.io/EndpointSlice'
  const { [LAST_APPLIED]: _, ...others } = (annotations ?? {}) as Fields
  return {
    ...pick(metadata, ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp']),
    // Of other kinds it counts changes of what we do not read as well.
    ...some({ generation: kind.group.endsWith('.io') && !slice ? metadata['generation'] : undefined }),
    ...some({ labels: slice ? pick(labels, SLICE_LABELS) : labels }),
    ...some({ annotations: WITHOUT_ANNOTATIONS.has(kind.id) || Object.keys(others).length === 0 ? undefined : others }),
    ...some({
      ownerReferences: (ownerReferences as List | undefined)?.map((owner) =>
        pick(owner, ['kind', 'name', 'uid', 'controller']),
      ),
    }),
  }
}

/** The named fields that are there; undefined where none is. */
function pick(value: unknown, names: readonly string[]): Fields | undefined {
  const fields = (value ?? {}) as Fields
  const kept = names.filter((name) => fields[name] !== undefined)
  return kept.length > 0 ? Object.fromEntries(kept.map((name) => [name, fields[name]])) : undefined
}

/** Without the fields that are undefined. */
function some(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
