import { create } from '@bufbuild/protobuf'
import { type ScopedRouteConfiguration, ScopedRouteConfigurationSchema } from '#envoy/config/route/v3/scoped_route'
import type { Service } from '../mesh/model.ts'
import type { Client } from '../mesh/routing/client.ts'
import { services } from '../mesh/services.ts'
import { deriveFlatMap, deriveIndex, deriveMap } from '../store/derive.ts'
import { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { type EncodedResource, type EnvoyResource, encoder } from './encoded-resource.ts'
import { aliasesOf, localNameOf } from './routes/host-aliases.ts'
import { ANY_HOST, everyonesOutboundRoutes } from './routes/outbound-routes.ts'

type Encoded = PersistentMap<EncodedResource>
type Scope = EnvoyResource<ScopedRouteConfiguration>

/**
 * The scopes by which a client's requests find the route configuration of their host: one for each name that the host goes by, and for its
 * virtual addresses. In layers with disjoint names, the first and largest of which is the same for all clients.
 * @param routes what `outboundRoutes` gives for this client
 */
export function routeScopes(snapshot: Snapshot, client: Client, routes: readonly Encoded[]): readonly Encoded[] {
  const everyonesRoutes = everyonesOutboundRoutes(snapshot)
  const everyones = routedHosts([everyonesRoutes])
  const all = services(snapshot)
  const neighbours = byNamespace(everyones).get(client.namespace)
  const layers = [encodeScopes([fullNames([everyones, all])]), anyHost]
  if (neighbours) layers.push(encodeShort([shortNames([neighbours], client)], client))
  const special = routes.find((layer) => layer !== everyonesRoutes && !layer.has(ANY_HOST))
  if (special)
    layers.push(encodeSpecial([specialNames([routedSpecially([special], client), everyones, all], client)], client))
  return layers.filter((layer) => layer.size > 0)
}

/** A host that has a route configuration; nothing else of that matters here. */
interface Routed {
  readonly host: string
}

const routed = (host: string, [routes]: [EncodedResource | undefined]) => (routes ? { host } : undefined)
const routedHosts = deriveMap<[Encoded], [], Routed>('translate/scopes/hosts', routed)
const routedSpecially = deriveMap<[Encoded], [Client], Routed>('translate/scopes/special-hosts', routed)

const byNamespace = deriveIndex<Routed>('translate/scopes/by-namespace', (host) => {
  const service = localNameOf(host)
  return service ? [service.namespace] : []
})

/** Every name that is good in any namespace, and the virtual addresses. */
const fullNames = deriveFlatMap<[PersistentMap<Routed>, PersistentMap<Service>], [], Scope>(
  'translate/scopes',
  (host, [routed, service]) => (routed ? fullScopes(host, service) : []),
)

/** The name without a namespace, good in its own. */
const shortNames = deriveFlatMap<[PersistentMap<Routed>], [Client], Scope>(
  'translate/scopes/short',
  (host, [routed], client) => (routed ? shortScopes(host, client) : []),
)

/** All names of hosts that only some clients see. */
const specialNames = deriveFlatMap<
  [PersistentMap<Routed>, PersistentMap<Routed>, PersistentMap<Service>],
  [Client],
  Scope
>('translate/scopes/special', (host, [special, everyones, service], client) =>
  special && !everyones ? [...fullScopes(host, service), ...shortScopes(host, client)] : [],
)

function fullScopes(host: string, service: Service | undefined): [string, Scope][] {
  const names = [...aliasesOf(host).filter((alias) => alias !== localNameOf(host)?.name), ...(service?.addresses ?? [])]
  return names.map((name) => [name, scope(name, host, service)])
}

function shortScopes(host: string, client: Client): [string, Scope][] {
  const service = localNameOf(host)
  return service?.namespace === client.namespace ? [[service.name, scope(service.name, host, undefined)]] : []
}

function scope(name: string, routeConfigurationName: string, service: Service | undefined): Scope {
  const message = create(ScopedRouteConfigurationSchema, {
    name,
    routeConfigurationName,
    key: { fragments: [{ type: { case: 'stringKey', value: name } }] },
  })
  return { name, message, sources: service ? [service.resource] : [] }
}

const encodeScope = encoder('scopedRoutes', ScopedRouteConfigurationSchema)
const encode = (_: string, [resource]: [Scope | undefined]) => resource && encodeScope(resource)
const encodeScopes = deriveMap<[PersistentMap<Scope>], [], EncodedResource>('translate/scopes/encoded', encode)

// Two layers of one client are brought up to date apart.
const encodeShort = deriveMap<[PersistentMap<Scope>], [Client], EncodedResource>(
  'translate/scopes/short/encoded',
  encode,
)
const encodeSpecial = deriveMap<[PersistentMap<Scope>], [Client], EncodedResource>(
  'translate/scopes/special/encoded',
  encode,
)

const anyHost: Encoded = PersistentMap.from([[ANY_HOST, encodeScope(scope(ANY_HOST, ANY_HOST, undefined))]])
