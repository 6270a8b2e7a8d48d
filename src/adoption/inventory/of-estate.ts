import type { Protocol } from '../../mesh/model.ts'
import { servicePortProtocol } from '../../mesh/protocol.ts'
import type { ApplicationSpec } from '../../resources/adoption.ts'
import { compareTexts } from '../../resources/text-order.ts'
import { type AppWorkload, type Estate, objectsOf, serviceFields, servicesOf, workloadsOf } from '../estate/estate.ts'
import { calledHosts, type ServiceIndex, serviceIndex } from './called-hosts.ts'
import type { Draft } from './inventory.ts'
import { knownProduct } from './products.ts'

/** By which label workloads are one application. */
export type Grouping = 'app' | 'part-of' | 'namespace'

/** Applications as the workloads of an estate suggest them: those with the same labels, in the same namespace, are one. */
export function draftsOfEstate(estate: Estate, grouping: Grouping): readonly Draft[] {
  const groups = new Map<string, AppWorkload[]>()
  for (const workload of workloadsOf(estate)) {
    const key = `${workload.namespace}/${groupName(workload, grouping)}`
    groups.set(key, [...(groups.get(key) ?? []), workload])
  }
  const index = serviceIndex(estate, (workload) => ({
    namespace: workload.namespace,
    name: groupName(workload, grouping),
  }))
  return [...groups].map(([key, workloads]) => {
    const [namespace = '', name = ''] = key.split('/')
    return { name, namespace, spec: specOf(estate, namespace, name, workloads, index) }
  })
}

function groupName({ namespace, name, template, object }: AppWorkload, grouping: Grouping): string {
  if (grouping === 'namespace') return namespace
  const labels = { ...object.metadata.labels, ...template.metadata?.labels }
  const own = labels['app.kubernetes.io/name'] ?? labels['app'] ?? labels['k8s-app'] ?? name
  return grouping === 'part-of' ? (labels['app.kubernetes.io/part-of'] ?? own) : own
}

function specOf(
  estate: Estate,
  namespace: string,
  name: string,
  workloads: readonly AppWorkload[],
  index: ServiceIndex,
): ApplicationSpec {
  const team = workloads.map((workload) => labelOf(estate, workload, TEAM_KEYS)).find(Boolean)
  const contact = workloads.map((workload) => labelOf(estate, workload, CONTACT_KEYS)).find(Boolean)
  const criticality = workloads.map((workload) => labelOf(estate, workload, CRITICALITY_KEYS)).find(isCriticality)
  const ports = portsOf(estate, workloads)
  const called = workloads.map((workload) => calledHosts(workload, index))
  const applications = unique(
    called.flatMap((each) => each.applications).filter((each) => each.name !== name || each.namespace !== namespace),
    (each) => `${each.namespace}/${each.name}`,
  ).map((each) => (each.namespace === namespace ? { name: each.name } : each))
  const external = unique(
    called.flatMap((each) => each.external),
    (each) => `${each.host}:${each.port}`,
  )
  const requirements = requirementsOf(workloads)
  return {
    workloads: workloads.map(({ kind, name: workload }) =>
      kind === 'Deployment' ? { name: workload } : { kind, name: workload },
    ),
    ...(team ? { owner: { team, ...(contact ? { contact } : {}) } } : {}),
    ...(criticality ? { criticality } : {}),
    ...(requirements ? { requirements } : {}),
    ...(ports.length > 0 ? { ports } : {}),
    ...(applications.length + external.length > 0
      ? {
          dependencies: {
            ...(applications.length > 0 ? { applications } : {}),
            ...(external.length > 0 ? { external } : {}),
          },
        }
      : {}),
  }
}

const TEAM_KEYS = ['team', 'owner', 'app.kubernetes.io/owner', 'app.kubernetes.io/team']
const CONTACT_KEYS = ['contact', 'owner-contact', 'slack-channel']
const CRITICALITY_KEYS = ['criticality', 'app.kubernetes.io/criticality']

/** What a workload, or its namespace, says of itself in labels or annotations. */
function labelOf(
  estate: Estate,
  { namespace, object, template }: AppWorkload,
  keys: readonly string[],
): string | undefined {
  const home = objectsOf(estate, 'Namespace').find(({ metadata }) => metadata.name === namespace)
  const places = [object.metadata, template.metadata ?? {}, home?.metadata ?? {}] as readonly {
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }[]
  for (const { labels, annotations } of places)
    for (const key of keys) {
      const value = annotations?.[key] ?? labels?.[key]
      if (value) return value
    }
  return undefined
}

function isCriticality(text: string | undefined): text is NonNullable<ApplicationSpec['criticality']> {
  return text !== undefined && ['low', 'medium', 'high', 'critical'].includes(text)
}

type Ports = NonNullable<ApplicationSpec['ports']>

/** What is written for each protocol; `auto` says nothing. */
const PROTOCOLS: Readonly<Record<Protocol, Ports[number]['protocol']>> = {
  http: 'HTTP',
  http2: 'HTTP2',
  grpc: 'GRPC',
  'grpc-web': 'HTTP',
  https: 'HTTPS',
  tls: 'TLS',
  tcp: 'TCP',
  udp: 'UDP',
  auto: 'TCP',
}

function portsOf(estate: Estate, workloads: readonly AppWorkload[]): Ports {
  const all = workloads.flatMap((workload) => {
    const product = (workload.template.spec?.containers ?? [])
      .map(({ image }) => knownProduct(image ?? ''))
      .find(Boolean)
    const served = servicesOf(estate, workload).flatMap((service) => serviceFields(service).ports ?? [])
    return served
      .filter((port) => servicePortProtocol(port) !== 'auto' || product)
      .map((port) => ({
        port: port.port,
        protocol: PROTOCOLS[servicePortProtocol(port)],
        ...(product?.hurt === 'server-first' && product.ports.includes(port.port) ? { serverFirst: true } : {}),
        ...(product ? { product: product.name } : {}),
      }))
  })
  return unique(all, ({ port, protocol }) => `${port} ${protocol}`).sort((a, b) => a.port - b.port)
}

function requirementsOf(workloads: readonly AppWorkload[]): ApplicationSpec['requirements'] {
  const selected = (key: string) =>
    [...new Set(workloads.flatMap(({ template }) => template.spec?.nodeSelector?.[key] ?? []))].sort(compareTexts)
  const zones = selected('topology.kubernetes.io/zone')
  const architectures = selected('kubernetes.io/arch') as NonNullable<
    NonNullable<ApplicationSpec['requirements']>['architectures']
  >
  if (zones.length + architectures.length === 0) return undefined
  return { ...(zones.length > 0 ? { zones } : {}), ...(architectures.length > 0 ? { architectures } : {}) }
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.toReversed().map((item) => [key(item), item])).values()].toReversed()
}
