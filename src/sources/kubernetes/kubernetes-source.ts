import type { ConfigMap } from '../../resources/core.ts'
import { KINDS, type Kind, type KindId } from '../../resources/kinds.ts'
import { isKind, keyOf } from '../../resources/resource.ts'
import type { Change } from '../../store/snapshot.ts'
import type { Store } from '../../store/store.ts'
import type { ApiServer } from './api-server.ts'
import { DiscoverySelectors } from './discovery-selectors.ts'
import { InstalledKinds } from './installed-kinds.ts'
import { MESH_CONFIG } from './kept-fields.ts'
import { KindWatch } from './kind-watch.ts'
import type { WatchState } from './list-watch.ts'
import { LiveStatuses } from './live-statuses.ts'
import { NewServices } from './new-services.ts'
import { BUILT_IN, INSTALLED } from './served-kinds.ts'
import { Trouble } from './trouble.ts'
import type { KubernetesStatus } from './watch-status.ts'

export interface KubernetesSourceOptions {
  readonly server: ApiServer
  readonly store: Store
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
  /** How long a watch lasts before it is renewed, at least, in seconds. */
  readonly watchSeconds?: number
}

const DEFINITIONS = 'CustomResourceDefinition'
const MESH_CONFIG_KEY = `${MESH_CONFIG.namespace}/${MESH_CONFIG.name}`

/**
 * Brings what a Kubernetes API server has into a store and keeps it there. Whatever arrives in one turn of the event loop is one batch. When
 * the API server is away, or refuses to tell something, the last state stays.
 */
export class KubernetesSource {
  readonly #options: KubernetesSourceOptions
  readonly #selectors = new DiscoverySelectors()
  readonly #watches = new Map<KindId, KindWatch>()
  /** What objects have for a status now. */
  readonly statuses = new LiveStatuses()
  readonly #installed: InstalledKinds
  readonly #trouble: Trouble
  /** Ends what the store waits for, by the kind that it waits for. */
  readonly #waiting = new Map<KindId, () => void>()
  readonly #newServices: NewServices
  #definitionsProblem: string | undefined
  #pending: Change[] = []
  #delivered: KindId[] = []
  #flushing = false

  constructor(options: KubernetesSourceOptions) {
    this.#options = options
    this.#trouble = new Trouble(options.server.url, options.log)
    this.#newServices = new NewServices((changes) => options.store.apply(changes))
    const kindsKnown = options.store.expect('Kubernetes: which kinds are installed')
    for (const kind of [...BUILT_IN, ...INSTALLED.values()]) this.#watches.set(kind.id, this.#watchOf(kind))
    const { server, watchSeconds } = options
    this.#installed = new InstalledKinds({
      server,
      ...(watchSeconds === undefined ? {} : { watchSeconds }),
      onServed: (kind, version) => this.#start(kind, version),
      onUninstalled: (kind) => {
        this.#watches.get(kind)?.uninstalled()
        this.#trouble.forget(nameOf(kind))
      },
      onComplete: kindsKnown,
      onState: (state) => {
        this.#definitionsProblem = state.phase === 'failing' ? state.problem : undefined
        this.#trouble.state(DEFINITIONS, state)
      },
    })
  }

  /** The release of the Gateway API whose definitions are installed (`v1.7.0`); undefined where it is not known. */
  get gatewayApiBundle(): string | undefined {
    return this.#installed.bundle
  }

  start(): void {
    for (const { id, versions } of BUILT_IN) this.#start(id, versions[0] ?? 'v1')
    this.#installed.start()
  }

  close(): void {
    this.#installed.close()
    for (const watch of this.#watches.values()) watch.stop()
    this.#newServices.close()
  }

  status(): KubernetesStatus {
    return {
      server: this.#options.server.url,
      healthy: !this.#trouble.any,
      watches: Array.from(this.#watches.values(), (watch) => watch.status()),
      ...(this.#definitionsProblem === undefined ? {} : { problem: this.#definitionsProblem }),
    }
  }

  #watchOf(kind: Kind): KindWatch {
    const { id } = kind
    const { server, log, watchSeconds } = this.#options
    return new KindWatch({
      server,
      kind,
      statuses: this.statuses,
      isVisible: (namespace) => this.#selectors.includes(namespace),
      onChanges: (changes, complete) => this.#changed(id, changes, complete),
      onState: (state: WatchState) => this.#trouble.state(nameOf(id), state),
      onRejected: (problem) => log('error', `cannot take ${problem}`),
      onNotServed: () => this.#installed.look(),
      ...(watchSeconds === undefined ? {} : { watchSeconds }),
    })
  }

  #start(id: KindId, version: string): void {
    const watch = this.#watches.get(id)
    if (!watch || watch.version === version) return
    if (!this.#waiting.has(id)) this.#waiting.set(id, this.#options.store.expect(`Kubernetes: ${nameOf(id)}`))
    watch.start(version)
  }

  #changed(id: KindId, changes: readonly Change[], complete: boolean): void {
    this.#pending.push(...changes)
    if (id === 'core/Namespace') this.#namespacesChanged(changes)
    if (id === 'core/ConfigMap') this.#meshConfigChanged(changes)
    if (complete) this.#delivered.push(id)
    if (this.#flushing || (this.#pending.length === 0 && this.#delivered.length === 0)) return
    this.#flushing = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    const [changes, delivered] = [this.#pending, this.#delivered]
    this.#pending = []
    this.#delivered = []
    this.#flushing = false
    const { store } = this.#options
    // What there is already is read in any order.
    store.apply(store.unsynced.length > 0 ? changes : this.#newServices.ready(changes, store.snapshot))
    for (const id of delivered) {
      this.#waiting.get(id)?.()
      this.#waiting.delete(id)
    }
  }

  #namespacesChanged(changes: readonly Change[]): void {
    const turned = new Set<string>()
    for (const change of changes) {
      const [name, labels] =
        'put' in change ? [change.put.metadata.name, change.put.metadata.labels ?? {}] : [change.key, undefined]
      if (this.#selectors.setNamespace(name, labels)) turned.add(name)
    }
    if (turned.size > 0) this.#refilter((namespace) => namespace !== undefined && turned.has(namespace))
  }

  #meshConfigChanged(changes: readonly Change[]): void {
    const change = changes.findLast((one) => MESH_CONFIG_KEY === ('put' in one ? keyOf(one.put) : one.key))
    if (!change) return
    const config = 'put' in change && isKind(change.put, 'core/ConfigMap') ? (change.put as ConfigMap) : undefined
    try {
      if (this.#selectors.setMeshConfig(config)) this.#refilter((namespace) => namespace !== undefined)
    } catch (error) {
      const problem = (error as Error).message
      this.#options.log('error', `ConfigMap ${MESH_CONFIG_KEY}: key mesh: ${problem}; the last one stays in force`)
    }
  }

  #refilter(concerns: (namespace: string | undefined) => boolean): void {
    for (const watch of this.#watches.values())
      for (const change of watch.mirror.refilter(concerns)) this.#pending.push(change)
  }
}

/** `VirtualService (networking.istio.io)`, `Pod`. */
function nameOf(id: KindId): string {
  const { group, kind } = KINDS[id]
  return group.includes('.') ? `${kind} (${group})` : kind
}
