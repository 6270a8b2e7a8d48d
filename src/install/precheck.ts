import { INJECTOR_WEBHOOK, PORTS } from '../resources/cluster-names.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { type Deed, mayWe } from '../sources/kubernetes/reviews.ts'
import { INSTALLED } from '../sources/kubernetes/served-kinds.ts'
import { type LiveObject, listLive, readLive } from '../sources/kubernetes/write.ts'
import { existingInstallation } from './existing.ts'
import { type Check, type Finding, ok } from './finding.ts'
import { NEEDS } from './needs.ts'
import { orNone } from './owned.ts'
import type { Values } from './template.ts'

/** Native sidecars from 1.29, the fields of pods that we use from 1.30. */
const OLDEST_MINOR = 30

/** Looks whether a cluster can take an installation, and changes nothing. Throws ApiError where the cluster does not answer at all. */
export async function precheck(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  const findings: Finding[] = [...(await version(server))]
  for (const [subject, check] of Object.entries(CHECKS)) {
    const found = await check(server, values).catch((error: Error): readonly Finding[] => [
      {
        severity: 'warning',
        subject,
        text: `can't be told: ${error.message}`,
        remedy: 'ask somebody who may look at that',
      },
    ])
    findings.push(...found)
  }
  return findings
}

async function version(server: ApiServer): Promise<readonly Finding[]> {
  const subject = 'Kubernetes'
  const {
    major = '',
    minor = '',
    gitVersion = '',
  } = (await server.send({ method: 'GET', path: '/version' })) as {
    readonly major?: string
    readonly minor?: string
    readonly gitVersion?: string
  }
  // Some providers write `30+`.
  if (Number(major) > 1 || Number.parseInt(minor, 10) >= OLDEST_MINOR) return [ok(subject, gitVersion)]
  const remedy = `bring the cluster to 1.${OLDEST_MINOR} or newer`
  return [
    { severity: 'error', subject, text: `${gitVersion} is too old: proxies are native sidecar containers`, remedy },
  ]
}

const CHECKS: Readonly<Record<string, Check>> = {
  permissions,
  nodes,
  'port of agents': ports,
  installation,
  'other meshes': otherMeshes,
  'definitions of kinds': definedKinds,
  'Pod Security': podSecurity,
  ...NEEDS,
}

/** What is written, by group. Whoever grants a permission must have it, or be allowed to escalate. */
const WRITTEN: readonly (readonly [group: string, resources: readonly string[], scope: 'cluster' | 'namespace'])[] = [
  ['', ['namespaces'], 'cluster'],
  ['apiextensions.k8s.io', ['customresourcedefinitions'], 'cluster'],
  ['rbac.authorization.k8s.io', ['clusterroles', 'clusterrolebindings'], 'cluster'],
  ['admissionregistration.k8s.io', ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'], 'cluster'],
  ['gateway.networking.k8s.io', ['gatewayclasses'], 'cluster'],
  ['', ['serviceaccounts', 'services'], 'namespace'],
  ['apps', ['deployments', 'statefulsets', 'daemonsets'], 'namespace'],
  ['rbac.authorization.k8s.io', ['roles', 'rolebindings'], 'namespace'],
]

async function permissions(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  const deeds = WRITTEN.flatMap(([group, resources, scope]) =>
    resources.flatMap((resource) =>
      ['create', 'patch', 'delete'].map(
        (verb): Deed => ({
          verb,
          group,
          resource,
          ...(scope === 'namespace' ? { namespace: String(values['namespace']) } : {}),
        }),
      ),
    ),
  )
  const escalate: Deed = { verb: 'escalate', group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }
  const allowed = await Promise.all([...deeds, escalate].map((deed) => mayWe(server, deed)))
  const missing = [...deeds, escalate].filter((_, i) => !allowed[i])
  if (missing.length === 0) return [ok('permissions', 'you may make all objects of an installation')]
  const onlyEscalate = missing.length === 1 && missing[0] === escalate
  const listed = [...new Set(missing.map(({ verb, resource }) => `${verb} ${resource}`))].join(', ')
  return [
    {
      severity: onlyEscalate ? 'warning' : 'error',
      subject: 'permissions',
      text: `you may not: ${listed}`,
      remedy: onlyEscalate
        ? 'have all permissions in docs/reference/rbac.md yourself, since nobody can grant what he has not'
        : 'install as somebody who may, such as cluster-admin',
    },
  ]
}

interface NodeStatus {
  readonly nodeInfo?: {
    readonly kubeletVersion?: string
    readonly architecture?: string
    readonly operatingSystem?: string
  }
}

async function nodes(server: ApiServer): Promise<readonly Finding[]> {
  const all = await listLive(server, { apiVersion: 'v1', kind: 'Node' })
  const linux = all.filter((node) => infoOf(node).operatingSystem === 'linux')
  if (linux.length === 0)
    return [{ severity: 'error', subject: 'nodes', text: 'there is no node with Linux', remedy: 'add one' }]
  const old = linux.filter((node) => {
    const [, minor = '0'] = (infoOf(node).kubeletVersion ?? '').split('.')
    return Number.parseInt(minor, 10) < OLDEST_MINOR - 1
  })
  const others = linux.filter((node) => !['amd64', 'arm64'].includes(infoOf(node).architecture ?? ''))
  return [
    ...trouble(
      'nodes',
      old,
      `have a kubelet older than 1.${OLDEST_MINOR - 1}, which knows no native sidecars`,
      'update them',
    ),
    ...trouble(
      'nodes',
      others,
      'are neither amd64 nor arm64, for which there is no Envoy',
      'keep pods with proxies away from them, and agents with --set agent.nodeSelector',
    ),
    ...(old.length + others.length === 0 ? [ok('nodes', `${linux.length} with Linux`)] : []),
  ]
}

function infoOf(node: LiveObject): NonNullable<NodeStatus['nodeInfo']> {
  return ((node['status'] ?? {}) as NodeStatus).nodeInfo ?? {}
}

/** Names in one finding. */
const MOST = 5

function trouble(
  subject: string,
  objects: readonly LiveObject[],
  text: string,
  remedy: string,
  severity: 'warning' | 'error' = 'warning',
): readonly Finding[] {
  if (objects.length === 0) return []
  const names = objects
    .slice(0, MOST)
    .map(({ metadata }) => [metadata.namespace, metadata.name].filter(Boolean).join('/'))
  const more = objects.length > MOST ? ` and ${objects.length - MOST} more` : ''
  return [{ severity, subject, text: `${names.join(', ')}${more} ${text}`, remedy }]
}

interface PodSpec {
  readonly containers?: readonly {
    readonly ports?: readonly {
      readonly hostPort?: number
      readonly containerPort?: number
      readonly protocol?: string
    }[]
  }[]
  readonly hostNetwork?: boolean
}

/** The agent listens at the address of its node. */
async function ports(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  const subject = 'port of agents'
  const pods = await listLive(server, { apiVersion: 'v1', kind: 'Pod' })
  const taking = pods.filter((pod) => {
    if (pod.metadata.namespace === values['namespace']) return false
    const { containers = [], hostNetwork } = pod['spec'] as PodSpec
    return containers.some(({ ports = [] }) =>
      ports.some(({ hostPort, containerPort }) => (hostNetwork ? containerPort : hostPort) === PORTS.agentProxies),
    )
  })
  const found = trouble(
    subject,
    taking,
    `use port ${PORTS.agentProxies} of their nodes, which agents need`,
    'move them to other ports or other nodes',
    'error',
  )
  return found.length > 0 ? found : [ok(subject, `no pod uses port ${PORTS.agentProxies} of its node`)]
}

async function installation(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  const subject = 'installation'
  const there = await existingInstallation(server)
  if (!there) return [ok(subject, 'Weft is not there yet')]
  const { namespace, managedBy, version } = there
  const found = `Weft ${version} is in ${namespace}, made by ${managedBy}`
  if (managedBy === 'Helm')
    return [{ severity: 'error', subject, text: found, remedy: 'change it with helm upgrade, not with weft install' }]
  if (namespace === values['namespace']) return [ok(subject, `${found}; weft install would change it`)]
  const remedy = `use -n ${namespace}, or remove it first with weft uninstall -n ${namespace}`
  return [{ severity: 'error', subject, text: `${found}, and there can be only one`, remedy }]
}

/** Other meshes, by the webhooks that put their proxies into pods. */
const MESHES: readonly (readonly [mesh: string, pattern: RegExp])[] = [
  ['Istio', /^istio-(sidecar-injector|revision-tag)/],
  ['Linkerd', /^linkerd-proxy-injector/],
  ['Kuma', /^kuma-admission/],
  ['Consul', /^consul.*-connect-injector/],
  ['Open Service Mesh', /^osm-webhook/],
  ['AWS App Mesh', /^appmesh/],
]

async function otherMeshes(server: ApiServer): Promise<readonly Finding[]> {
  const subject = 'other meshes'
  const webhooks = await listLive(server, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
  })
  const names = webhooks.map(({ metadata }) => metadata.name).filter((name) => name !== INJECTOR_WEBHOOK)
  const found = MESHES.filter(([, pattern]) => names.some((name) => pattern.test(name))).map(([mesh]) => mesh)
  if (found.length === 0) return [ok(subject, 'none')]
  const both = await namespacesOfDefault(server)
  const others = found.filter((mesh) => mesh !== 'Istio').join(', ')
  return [
    ...(found.includes('Istio')
      ? [
          both.length > 0
            ? {
                severity: 'error' as const,
                subject,
                text: `Istio is there, and ${both.join(', ')} are labelled istio-injection=enabled: pods there would be claimed by both`,
                remedy: 'install with --revision weft, and label namespaces that are to have Weft istio.io/rev=weft',
              }
            : {
                severity: 'warning' as const,
                subject,
                text: 'Istio is there: its kinds of objects will count for both',
                remedy: 'install with --revision weft, so that istio-injection=enabled stays its own',
              },
        ]
      : []),
    ...(others === ''
      ? []
      : [
          {
            severity: 'warning' as const,
            subject,
            text: `${others} is there: a pod can be of one mesh only`,
            remedy: 'label different namespaces for each',
          },
        ]),
  ]
}

async function namespacesOfDefault(server: ApiServer): Promise<readonly string[]> {
  const labelSelector = 'istio-injection=enabled'
  return (await listLive(server, { apiVersion: 'v1', kind: 'Namespace' }, { labelSelector })).map(
    ({ metadata }) => metadata.name,
  )
}

interface DefinitionSpec {
  readonly versions?: readonly { readonly name: string; readonly served?: boolean }[]
}

const BUNDLE_VERSION = 'gateway.networking.k8s.io/bundle-version'

/** Definitions that are there are used as they are: what of them we can't read, and what is missing. */
async function definedKinds(server: ApiServer): Promise<readonly Finding[]> {
  const subject = 'definitions of kinds'
  const there = await listLive(server, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
  })
  const known = there.filter(({ metadata }) => INSTALLED.has(metadata.name))
  if (known.length === 0) return [ok(subject, 'none there; weft install brings them')]
  const unreadable = known.filter((definition) => {
    const { versions = [] } = definition['spec'] as DefinitionSpec
    const readable = INSTALLED.get(definition.metadata.name)?.versions ?? []
    return !versions.some(({ name, served }) => served && readable.includes(name))
  })
  const bundles = [...new Set(known.flatMap(({ metadata }) => metadata.annotations?.[BUNDLE_VERSION] ?? []))]
  const groups = new Set(known.map(({ metadata }) => metadata.name.split('.').slice(1).join('.')))
  const missing = [...INSTALLED.keys()].filter(
    (name) => groups.has(name.split('.').slice(1).join('.')) && !known.some(({ metadata }) => metadata.name === name),
  )
  return [
    ...trouble(
      subject,
      unreadable,
      'are served in no version that Weft reads: too old, or too new',
      'bring them to their current version',
    ),
    ...(missing.length > 0
      ? [
          {
            severity: 'warning' as const,
            subject,
            text: `others of their kind are there, but not ${missing.join(', ')}: objects of these kinds can't be made`,
            remedy: 'install the missing ones if you want them, or go without',
          },
        ]
      : []),
    ...(unreadable.length + missing.length === 0
      ? [ok(subject, `${known.length} are there${bundles.length > 0 ? `, Gateway API ${bundles.join(', ')}` : ''}`)]
      : []),
  ]
}

const ENFORCE = 'pod-security.kubernetes.io/enforce'

/** The namespace's label is set by install; what else would refuse the agents is asked of the API server, which is told that it is only a trial. */
async function podSecurity(server: ApiServer, values: Values): Promise<readonly Finding[]> {
  const subject = 'Pod Security'
  const namespace = await readLive(server, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: String(values['namespace']) },
  })
  const policies = await Promise.all(
    [
      ['kyverno.io/v1', 'ClusterPolicy'],
      ['templates.gatekeeper.sh/v1', 'ConstraintTemplate'],
    ].map(([apiVersion = '', kind = '']) => listLive(server, { apiVersion, kind }).catch(orNone)),
  )
  const enforced = namespace?.metadata.labels?.[ENFORCE]
  return [
    policies.flat().length > 0
      ? {
          severity: 'warning',
          subject,
          text: "policies of Kyverno or Gatekeeper may refuse the agents, which use their nodes' network and processes",
          remedy: `except the pods of ${values['namespace']} from them`,
        }
      : ok(
          subject,
          enforced ? `namespace ${values['namespace']} enforces ${enforced}` : 'the namespace will allow agents',
        ),
  ]
}
