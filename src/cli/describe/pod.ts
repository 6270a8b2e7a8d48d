import { endpointSets } from '../../mesh/endpoints.ts'
import type { Service, Workload } from '../../mesh/model.ts'
import { mtlsPolicyOf } from '../../mesh/peer-authentication.ts'
import { destinationRulesOf, routesOf } from '../../mesh/says.ts'
import { authorizationPolicies, requestAuthentications } from '../../mesh/selected-policies.ts'
import { services } from '../../mesh/services.ts'
import type { Message } from '../../resources/message.ts'
import type { Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { ProxyStatus } from '../../xds/status.ts'
import { findings, objectText, section } from './text.ts'

/** What the mesh makes of a pod. @param proxy absent where its proxy is not connected */
export function describePod(
  snapshot: Snapshot,
  workload: Workload,
  proxy: ProxyStatus | undefined,
  messages: readonly Message[],
): string {
  const served = servicesOf(snapshot, workload)
  const mtls = mtlsPolicyOf(snapshot, workload)
  const policies = [...authorizationPolicies(snapshot, workload)]
  const authentications = [...requestAuthentications(snapshot, workload)]
  const says = served.flatMap(({ host }) => [...routesOf(snapshot, host), ...destinationRulesOf(snapshot, host)])
  const pod = snapshot.get('core/Pod', workload.key)
  const objects: Resource[] = [
    ...(pod ? [pod] : []),
    ...served.map(({ resource }) => resource),
    ...mtls.sources,
    ...policies,
    ...authentications,
    ...says.map(({ object }) => object),
  ]
  const exceptions = Object.entries(mtls.ports).map(([port, mode]) => `${mode} on port ${port}`)
  return `${[
    `Pod ${workload.key}`,
    `  address   ${workload.address}`,
    `  identity  ${workload.identity}`,
    `  proxy     ${workload.role}, ${proxyText(proxy)}`,
    ...section('Services that it is behind', served.map(serviceLine)),
    ...section('Mutual TLS that it asks of its clients', [
      [mtls.mode, ...exceptions].join(', '),
      ...(mtls.sources.length > 0
        ? [`by ${mtls.sources.map(objectText).join(', ')}`]
        : ['by default: no PeerAuthentication is for it']),
    ]),
    ...section(
      'Who may call it',
      policies.map((policy) => `${objectText(policy)}: ${policy.spec?.action ?? 'ALLOW'}`),
    ),
    ...section('Tokens of requests are checked by', authentications.map(objectText)),
    ...section('Routes and rules for calls of these services', [
      ...new Set(says.map(({ object, how }) => `${objectText(object)}: ${how}`)),
    ]),
    ...findings(messages, objects),
  ].join('\n')}\n`
}

function servicesOf(snapshot: Snapshot, { key }: Workload): readonly Service[] {
  const all = services(snapshot)
  return [...endpointSets(snapshot).values()]
    .filter(({ endpoints }) => endpoints.some(({ workload }) => workload === key))
    .flatMap(({ host }) => all.get(host) ?? [])
}

function serviceLine({ host, ports }: Service): string {
  return `${host}: ${ports.map(({ number, protocol }) => `${number} (${protocol})`).join(', ')}`
}

function proxyText(proxy: ProxyStatus | undefined): string {
  if (!proxy) return 'not connected: it keeps the configuration that it has'
  const behind = proxy.types.filter(({ state }) => state !== 'synced')
  const state = behind.length === 0 ? 'synced' : behind.map(({ type, state }) => `${type} ${state}`).join(', ')
  return `Envoy ${proxy.node.version}, ${state}`
}
