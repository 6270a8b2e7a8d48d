import { KINDS, type KindId } from '../../resources/kinds.ts'
import type { Resource } from '../../resources/resource.ts'
import type { ApiServer } from '../../sources/kubernetes/api-server.ts'
import { KINDS_WITH_STATUS, type LiveStatuses } from '../../sources/kubernetes/live-statuses.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Store } from '../../store/store.ts'
import { servedGateways } from '../gateways/readiness.ts'
import { ANALYSIS_CONDITION, analysisStatuses, mendedStatus, type Told } from './analysis.ts'
import { backendTlsStatuses } from './backend-tls-policies.ts'
import { gatewayClassStatuses } from './gateway-classes.ts'
import { gatewayStatuses, listenerSetStatuses } from './gateways.ts'
import { routeStatuses } from './routes.ts'
import { StatusWriter } from './status-writer.ts'
import type { WantedEntries, WantedStatus } from './wanted-status.ts'

export interface KeepStatusesOptions {
  readonly server: ApiServer
  /** Knows all of the cluster already. */
  readonly store: Store
  readonly statuses: LiveStatuses
  /** The release of the Gateway API's definitions that are installed; undefined where it is not known. */
  readonly bundle: () => string | undefined
  /** What proxies refuse, by the object that it was made of; absent where no proxies are served. */
  readonly refusals?: {
    readonly of: (snapshot: Snapshot) => readonly (readonly [Resource, Told])[]
    /** Returns the call that ends it. */
    readonly subscribe: (listener: () => void) => () => void
  }
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
}

/** Changes of this time, in ms, are looked at together. */
const SETTLE_MS = 50
/** Analysis reads everything: it waits longer, and takes at most a twentieth of the time. In ms. */
const ANALYSIS_MS = 1000
const ANALYSIS_SHARE = 20

/** Keeps the statuses of all that Weft acts upon true, until `signal` says that this replica leads no more. */
export function keepStatuses(options: KeepStatusesOptions, signal: AbortSignal): StatusWriter {
  const { server, store, statuses, refusals, log } = options
  const writer = new StatusWriter({ server, statuses, withdrawn, log }, signal)
  const routing = new Settled(SETTLE_MS, 1, () => writer.want(routingStatuses(store.snapshot, options.bundle())), log)
  const analysis = new Settled(
    ANALYSIS_MS,
    ANALYSIS_SHARE,
    () => writer.want(istioStatuses(store.snapshot, statuses, refusals?.of(store.snapshot) ?? [])),
    log,
  )
  let served = servedGateways(store.snapshot)
  const end = store.subscribe((now, before) => {
    if (servedGateways(now) !== served || ROUTING_KINDS.some((kind) => now.all(kind) !== before.all(kind)))
      routing.changed()
    served = servedGateways(now)
    analysis.changed()
  })
  const endRefusals = refusals?.subscribe(() => analysis.changed())
  signal.addEventListener('abort', () => {
    end()
    endRefusals?.()
    routing.close()
    analysis.close()
  })
  routing.changed()
  analysis.changed()
  return writer
}

/** Kinds on which statuses of Gateways and routes depend. What changes all the time is not among them. */
const ROUTING_KINDS: readonly KindId[] = [
  ...Object.values(KINDS).flatMap(({ id, group }) => (group === 'gateway.networking.k8s.io' ? [id] : [])),
  'core/ConfigMap',
  'core/Namespace',
  'core/Secret',
  'core/Service',
  'networking.istio.io/ServiceEntry',
]
const ROUTE_KINDS = KINDS_WITH_STATUS.filter(
  ({ kind, group }) => kind.endsWith('Route') && group === 'gateway.networking.k8s.io',
)
const ISTIO_KINDS = KINDS_WITH_STATUS.filter(({ group }) => group.endsWith('.istio.io')).map(({ id }) => id)

function routingStatuses(
  snapshot: Snapshot,
  bundle: string | undefined,
): ReadonlyMap<KindId, ReadonlyMap<string, WantedStatus>> {
  const routes = new Map<KindId, Map<string, WantedEntries>>(ROUTE_KINDS.map(({ id }) => [id, new Map()]))
  for (const [name, status] of routeStatuses(snapshot)) {
    const [key = '', kind = ''] = name.split(' ')
    routes.get(`gateway.networking.k8s.io/${kind}` as KindId)?.set(key, status)
  }
  return new Map<KindId, ReadonlyMap<string, WantedStatus>>([
    ['gateway.networking.k8s.io/GatewayClass', gatewayClassStatuses(snapshot, bundle)],
    ['gateway.networking.k8s.io/Gateway', gatewayStatuses(snapshot)],
    ['gateway.networking.k8s.io/ListenerSet', listenerSetStatuses(snapshot)],
    ['gateway.networking.k8s.io/BackendTLSPolicy', backendTlsStatuses(snapshot)],
    ...routes,
  ])
}

const NO_PARENTS: WantedEntries = { form: 'entries', generation: 0, list: 'parents', entries: [] }

/** Of a route that names no parent of ours any more, our entries are taken back. */
function withdrawn(kind: KindId): WantedStatus | undefined {
  return ROUTE_KINDS.some(({ id }) => id === kind) ? NO_PARENTS : undefined
}

/** What analysis says of Istio's objects, and that nothing is wrong any more with those of which something was said before. */
function istioStatuses(
  snapshot: Snapshot,
  statuses: LiveStatuses,
  refused: readonly (readonly [Resource, Told])[],
): ReadonlyMap<KindId, ReadonlyMap<string, WantedStatus>> {
  const found = analysisStatuses(snapshot, refused)
  return new Map(
    ISTIO_KINDS.map((kind) => {
      const wanted = new Map<string, WantedStatus>(found.get(kind))
      for (const { key, status } of statuses.of(kind)) {
        const conditions = (status?.['conditions'] ?? []) as readonly { readonly type: string }[]
        const object = wanted.has(key) ? undefined : snapshot.get(kind, key)
        if (object && conditions.some(({ type }) => type === ANALYSIS_CONDITION))
          wanted.set(key, mendedStatus(object.metadata.generation ?? 0))
      }
      return [kind, wanted]
    }),
  )
}

/** Does something a while after a change, and not too often. */
class Settled {
  readonly #waitMs: number
  readonly #share: number
  readonly #act: () => void
  readonly #log: KeepStatusesOptions['log']
  #timer: NodeJS.Timeout | undefined
  #notBefore = 0

  /** @param share it takes at most one part in so many of the time */
  constructor(waitMs: number, share: number, act: () => void, log: KeepStatusesOptions['log']) {
    this.#waitMs = waitMs
    this.#share = share
    this.#act = act
    this.#log = log
  }

  changed(): void {
    const ms = Math.max(this.#waitMs, this.#notBefore - performance.now())
    this.#timer ??= setTimeout(() => this.#run(), ms).unref()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #run(): void {
    this.#timer = undefined
    const started = performance.now()
    try {
      this.#act()
    } catch (error) {
      // What we say about configuration is no reason to stop serving it.
      this.#log('error', `cannot tell what statuses should say: ${(error as Error).stack}`)
    }
    const took = performance.now() - started
    this.#notBefore = started + took * this.#share
  }
}
