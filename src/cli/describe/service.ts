import { endpointSets } from '../../mesh/endpoints.ts'
import type { Endpoint, Service } from '../../mesh/model.ts'
import { mtlsModeAt, mtlsPolicies } from '../../mesh/peer-authentication.ts'
import { destinationRulesOf, routesOf } from '../../mesh/says.ts'
import type { Message } from '../../resources/message.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { findings, objectText, section } from './text.ts'

/** Endpoints in one answer. */
const MOST = 20

/** What the mesh makes of a service. */
export function describeService(snapshot: Snapshot, service: Service, messages: readonly Message[]): string {
  const { host, ports, resource, resolution, external } = service
  const endpoints = endpointSets(snapshot).get(host)?.endpoints ?? []
  const routes = routesOf(snapshot, host)
  const rules = destinationRulesOf(snapshot, host)
  const more = endpoints.length > MOST ? [`and ${endpoints.length - MOST} more`] : []
  return `${[
    `${objectText(resource)}`,
    `  host   ${host}${external ? ', outside the mesh' : ''}`,
    `  ports  ${ports.map(({ number, name, protocol }) => `${number}${name ? ` ${name}` : ''} (${protocol})`).join(', ')}`,
    ...(resolution === 'endpoints' ? [] : [`  found  ${RESOLUTIONS[resolution]}`]),
    ...section(`Endpoints: ${endpoints.filter(({ healthy }) => healthy).length} of ${endpoints.length} ready`, [
      ...endpoints.slice(0, MOST).map((endpoint) => endpointLine(snapshot, endpoint)),
      ...more,
    ]),
    ...section(
      'Where calls of it go',
      routes.length > 0
        ? routes.map(({ object, how }) => `${objectText(object)}: ${how}`)
        : ['to all endpoints: no route is for it'],
    ),
    ...section(
      'How they are made',
      rules.map(({ object, how }) => `${objectText(object)}: ${how}`),
    ),
    ...findings(messages, [resource, ...[...routes, ...rules].map(({ object }) => object)]),
  ].join('\n')}\n`
}

const RESOLUTIONS = {
  dns: 'by DNS, all addresses of the name',
  dynamic: 'by DNS, whatever name is asked for',
  'first-of-dns': 'by DNS, one address of the name',
  passthrough: 'where the connection was going',
} as const

function endpointLine(snapshot: Snapshot, { address, ports, workload, identity, healthy, locality }: Endpoint): string {
  const policy = workload === undefined ? undefined : mtlsPolicies(snapshot).get(workload)
  const modes = [...new Set(Object.values(ports).map((port) => mtlsModeAt(policy, port)))].join(', ')
  const said = [
    ...(healthy ? [] : ['not ready']),
    ...(identity === undefined ? ['no proxy'] : [`mutual TLS ${modes}`]),
    ...(locality?.zone ? [`zone ${locality.zone}`] : []),
  ]
  return `${address}  ${workload ?? 'no pod'}: ${said.join(', ')}`
}
