import { type ClientPlace, clientPlace } from '../mesh/client-place.ts'
import { type KeySource, keySourceOf, type Workload } from '../mesh/model.ts'
import type { Client } from '../mesh/routing/client.ts'
import { outboundTrafficOf } from '../mesh/sidecars.ts'
import { joined, perReads, perSnapshot } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { dnsListener } from './dns-listener.ts'
import type { EncodedResource } from './encoded-resource.ts'
import type { OutboundScope } from './nearby.ts'
import { outboundScope } from './outbound-scope.ts'
import { redirectedListeners } from './redirected-listeners.ts'
import { clientOfWorkload, outboundRoutes } from './routes/outbound-routes.ts'
import type { UnknownHosts } from './routes/unknown-hosts.ts'
import { routeScopes } from './scopes.ts'

type Layers = readonly PersistentMap<EncodedResource>[]

/**
 * What makes a difference for what a sidecar has of others' services: hundreds have the same, and whatever follows from it is asked for once for all of them.
 * Equal ones are the same object.
 */
export interface Alike {
  readonly client: Client
  readonly place: ClientPlace | undefined
  readonly keys: KeySource
  readonly unknown: UnknownHosts
  readonly redirected: boolean
  /** This and what follows is said of redirected ones only. */
  readonly ipv6: boolean
  readonly dns: boolean
  /** Whether it is a host outside of clusters that asks. */
  readonly isHost: boolean
}

/** What alike sidecars share. */
export interface Shared {
  readonly scope: OutboundScope
  /** Of connections out of a workload, where the kernel redirects them. */
  readonly listeners: Layers
  readonly routes: Layers
  readonly scopedRoutes: Layers
}

export const alikeOf = perReads((snapshot, workload: Workload): Alike => {
  const { capture } = workload
  const redirected = capture.mode === 'redirect'
  const { ipv6 = false, dns = false } = redirected ? capture : {}
  const passesOn = redirected && outboundTrafficOf(snapshot, workload) === 'ALLOW_ANY'
  const unknown = passesOn ? 'passthrough' : 'refuse'
  const [client, place] = [clientOfWorkload(snapshot, workload), clientPlace(snapshot, workload)]
  return interned(client, place, keySourceOf(workload), unknown, redirected, ipv6, dns, dns && workload.isHost === true)
})

const interned = joined(
  (
    client: Client,
    place: ClientPlace | undefined,
    keys: KeySource,
    unknown: UnknownHosts,
    redirected: boolean,
    ipv6: boolean,
    dns: boolean,
    isHost: boolean,
  ): Alike => ({ client, place, keys, unknown, redirected, ipv6, dns, isHost }),
)

/** The same object as long as nothing changed that it could depend on. */
export const sharedBy = perReads((snapshot, alike: Alike): Shared => {
  const { client, place, keys, unknown, redirected, ipv6, dns, isHost } = alike
  const { namespace } = client
  return {
    scope: scopeOf(snapshot, namespace, keys, place),
    listeners: redirected
      ? [
          ...redirectedListeners(snapshot, client, ipv6),
          ...(dns ? [dnsListener(snapshot, { namespace, ...(isHost ? { isHost } : {}) }, ipv6)] : []),
        ]
      : [],
    ...routingOf(snapshot, client, unknown, redirected),
  }
})

/** The clusters and endpoints of all clients of a namespace at one place. */
export const scopeOf: (
  snapshot: Snapshot,
  namespace: string,
  keys: KeySource,
  place: ClientPlace | undefined,
) => OutboundScope = perSnapshot(outboundScope)

const routingOf = perSnapshot((snapshot, client: Client, unknown: UnknownHosts, redirected: boolean) => {
  const routes = outboundRoutes(snapshot, client, unknown, redirected)
  return { routes, scopedRoutes: routeScopes(snapshot, client, routes) }
})
