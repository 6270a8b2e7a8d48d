import { endpointSets } from '../../mesh/endpoints.ts'
import type { Endpoint, Service, Workload } from '../../mesh/model.ts'
import { mtlsModeAt, mtlsPolicies } from '../../mesh/peer-authentication.ts'
import { destinationRulesOf, routesOf } from '../../mesh/says.ts'
import { services } from '../../mesh/services.ts'
import { workloads } from '../../mesh/workloads.ts'
import { compareTexts } from '../../resources/text-order.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { EndpointView, Message, PortView, ServiceRow, ServiceView } from './answers.ts'
import { countFindings, FindingsByObject } from './finding-counts.ts'
import { objectRef } from './object-ref.ts'
import { policiesOf, summaryOf } from './policies.ts'
import { drawRules } from './route-drawing.ts'

/** All services, by namespace and name. */
export function serviceRows(snapshot: Snapshot, messages: readonly Message[]): readonly ServiceRow[] {
  const findings = new FindingsByObject(messages)
  return [...services(snapshot).values()]
    .map((service) => serviceRow(snapshot, service, findings))
    .sort((a, b) => compareTexts(a.namespace, b.namespace) || compareTexts(a.host, b.host))
}

function serviceRow(snapshot: Snapshot, service: Service, findings: FindingsByObject): ServiceRow {
  const { host, name, namespace, external, resource } = service
  const endpoints = endpointsOf(snapshot, service)
  const routes = routesOf(snapshot, host)
  const about = [resource, ...[...routes, ...destinationRulesOf(snapshot, host)].map(({ object }) => object)]
  return {
    host,
    name,
    namespace,
    external,
    ports: portViews(service),
    endpoints: { ready: endpoints.filter(({ healthy }) => healthy).length, total: endpoints.length },
    versions: [...new Set(endpoints.flatMap(({ labels }) => labels['version'] ?? []))].sort(),
    mtls: summaryOf(endpoints.flatMap((endpoint) => modesOf(snapshot, endpoint))),
    routes: routes.length,
    findings: countFindings(findings.of(about.map(objectRef))),
  }
}

/** Undefined where there is no such host. */
export function serviceView(snapshot: Snapshot, host: string, messages: readonly Message[]): ServiceView | undefined {
  const service = services(snapshot).get(host)
  if (!service) return undefined
  const findings = new FindingsByObject(messages)
  const routes = routesOf(snapshot, host)
  const rules = destinationRulesOf(snapshot, host).map(({ object, how }) => ({ ...objectRef(object), how }))
  const endpoints = endpointsOf(snapshot, service)
  const all = workloads(snapshot)
  const serving = endpoints.flatMap(({ workload }): Workload[] => {
    const found = workload === undefined ? undefined : all.get(workload)
    return found ? [found] : []
  })
  const policies = policiesOf(snapshot, serving)
  const drawn = routes.map(({ object, how }) => ({ ...objectRef(object), how, rules: drawRules(object, host) }))
  const object = objectRef(service.resource)
  return {
    ...serviceRow(snapshot, service, findings),
    object,
    resolution: service.resolution,
    addresses: service.addresses,
    serving: endpoints.map((endpoint) => endpointView(snapshot, endpoint)),
    drawn,
    rules,
    policies,
    messages: findings.of([object, ...drawn, ...rules, ...policies]),
  }
}

export function portViews({ ports }: Service): readonly PortView[] {
  return ports.map(({ number, name, protocol }) => ({ number, name, protocol }))
}

function endpointsOf(snapshot: Snapshot, { host }: Service): readonly Endpoint[] {
  return endpointSets(snapshot).get(host)?.endpoints ?? []
}

function modesOf(snapshot: Snapshot, { ports, workload, identity }: Endpoint): readonly string[] {
  if (identity === undefined || workload === undefined) return []
  const policy = mtlsPolicies(snapshot).get(workload)
  return [...new Set(Object.values(ports).map((port) => mtlsModeAt(policy, port)))]
}

function endpointView(snapshot: Snapshot, endpoint: Endpoint): EndpointView {
  const { address, workload, workloadName, labels, healthy, locality } = endpoint
  const [namespace] = workload?.split('/') ?? []
  const version = labels['version']
  return {
    address,
    ...(workload === undefined ? {} : { pod: workload }),
    ...(workloadName === undefined ? {} : { workload: `${namespace ?? ''}/${workloadName}` }),
    ...(version === undefined ? {} : { version }),
    ready: healthy,
    mtls: summaryOf(modesOf(snapshot, endpoint)),
    ...(locality?.zone ? { zone: locality.zone } : {}),
  }
}
