import type { ConfigMap, Namespace } from '../../resources/core.ts'
import type { Gateway, ListenerSet } from '../../resources/gateway-api.ts'
import { derive, deriveIndex } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { type ApiRoute, type ApiRoutes, gatewayRoutes } from './api-routes.ts'
import { type Attachment, attachments } from './attachments.ts'
import { frontendRoots } from './frontend-validation.ts'
import {
  type GatewayListener,
  gatewayOfListenerSet,
  listenersOf,
  looksAtNamespaces,
  takesListenerSets,
} from './gateway-listeners.ts'
import { type Grants, referenceGrants } from './reference-grants.ts'
import { deriveReferences } from './references.ts'

/** A Gateway of Gateway API with all that bears upon it. */
export interface ApiGateway {
  readonly gateway: Gateway
  /** Its own, and those of the ListenerSets that it takes. */
  readonly listeners: readonly GatewayListener[]
  /** That name it, or one of its ListenerSets, as their parent. */
  readonly routes: ApiRoutes
  /** What each listener takes of these; of every listener. */
  readonly attachments: ReadonlyMap<GatewayListener, readonly Attachment[]>
  /** For the labels that `allowedRoutes` asks for; empty where nothing does. */
  readonly namespaces: PersistentMap<Namespace>
  readonly grants: Grants
  /** The ConfigMaps that it names as roots for clients' certificates. */
  readonly roots: PersistentMap<ConfigMap>
}

/** The Gateway of this key (`namespace/name`). The same object as before where nothing about it changed. */
export function apiGateway(snapshot: Snapshot, key: string): ApiGateway | undefined {
  const gateway = snapshot.get('gateway.networking.k8s.io/Gateway', key)
  if (!gateway) return undefined
  const sets = setsByGateway(snapshot.all('gateway.networking.k8s.io/ListenerSet')).get(key) ?? NO_SETS
  const all = snapshot.all('core/Namespace')
  const taken = takenSets(gateway, sets, takesByLabels(gateway) ? all : NO_NAMESPACES)
  const listeners = listenersWith(gateway, taken)
  const routed = gatewayRoutes(snapshot)
  let routes = routed.get(`Gateway ${key}`) ?? NO_ROUTES
  for (const set of taken.keys()) routes = union(routes, routed.get(`ListenerSet ${set}`) ?? NO_ROUTES)
  const namespaces = looksAtNamespaces(listeners) ? all : NO_NAMESPACES
  return together(gateway, listeners, routes, namespaces, referenceGrants(snapshot), rootsFor(snapshot, gateway, key))
}

/** The ListenerSets that name a Gateway as theirs and that it takes, by key. */
export function takenListenerSets(snapshot: Snapshot, gateway: Gateway, key: string): PersistentMap<ListenerSet> {
  const sets = setsByGateway(snapshot.all('gateway.networking.k8s.io/ListenerSet')).get(key) ?? NO_SETS
  return takenSets(gateway, sets, takesByLabels(gateway) ? snapshot.all('core/Namespace') : NO_NAMESPACES)
}

function rootsFor(snapshot: Snapshot, gateway: Gateway, key: string): PersistentMap<ConfigMap> {
  if (!gateway.spec?.tls?.frontend) return NO_ROOTS
  const gateways = snapshot.all('gateway.networking.k8s.io/Gateway')
  return rootsOf(gateways, snapshot.all('core/ConfigMap')).get(key) ?? NO_ROOTS
}

const rootsOf = deriveReferences<Gateway, ConfigMap>('mesh/api-gateways/roots', (_, gateway) => frontendRoots(gateway))

const NO_ROOTS = PersistentMap.empty<ConfigMap>()
const NO_SETS = PersistentMap.empty<ListenerSet>()
const NO_ROUTES = PersistentMap.empty<ApiRoute>()
const NO_NAMESPACES = PersistentMap.empty<Namespace>()

const setsByGateway = deriveIndex<ListenerSet>('mesh/listener-sets', (_, set) => {
  const key = gatewayOfListenerSet(set)
  return key === undefined ? [] : [key]
})

function takesByLabels(gateway: Gateway): boolean {
  return gateway.spec?.allowedListeners?.namespaces?.from === 'Selector'
}

const takenSets = derive(
  'mesh/listener-sets/taken',
  (gateway: Gateway, sets: PersistentMap<ListenerSet>, namespaces: PersistentMap<Namespace>) => {
    let taken = NO_SETS
    for (const [key, set] of sets)
      if (takesListenerSets(gateway, set.metadata.namespace ?? '', namespaces)) taken = taken.set(key, set)
    return taken
  },
)

const listenersWith = derive('mesh/api-gateways/listeners', (gateway: Gateway, sets: PersistentMap<ListenerSet>) =>
  listenersOf(gateway, [...sets.values()]),
)

const union = derive('mesh/api-gateways/routes', (a: ApiRoutes, b: ApiRoutes) => {
  let both = a
  for (const [key, route] of b) both = both.set(key, route)
  return both
})

const together = derive(
  'mesh/api-gateways',
  (
    gateway: Gateway,
    listeners: readonly GatewayListener[],
    routes: ApiRoutes,
    namespaces: PersistentMap<Namespace>,
    grants: Grants,
    roots: PersistentMap<ConfigMap>,
  ): ApiGateway => ({
    gateway,
    listeners,
    routes,
    attachments: attachments(listeners, routes, namespaces),
    namespaces,
    grants,
    roots,
  }),
)
