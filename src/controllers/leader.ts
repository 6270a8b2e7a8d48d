import { setTimeout as after } from 'node:timers/promises'
import { FIELD_MANAGER, LEADER_LEASE } from '../resources/cluster-names.ts'
import { ApiError, type ApiServer } from '../sources/kubernetes/api-server.ts'
import { applyObject, type LiveObject, readLive, replaceObject } from '../sources/kubernetes/write.ts'

/** `spec` of a Lease of coordination.k8s.io/v1, as far as it is read and written here. */
interface LeaseSpec {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  /** RFC 3339 with microseconds. */
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

export interface LeaderOptions {
  readonly server: ApiServer
  readonly namespace: string
  /** Which of the replicas this is: no other may have it, the name of its pod. */
  readonly identity: string
  /** What the leader does, until the signal says that it is the leader no longer. Not awaited: it ends by the signal. */
  readonly lead: (signal: AbortSignal) => void
  readonly log: (severity: 'info' | 'warning' | 'error', text: string) => void
  /** In ms; as client-go's where absent: 15 s, 10 s, 2 s. */
  readonly timing?: LeaseTiming
}

/** In ms. */
export interface LeaseTiming {
  /** Who has not renewed for this time has lost the lease to whoever asks first. */
  readonly lease: number
  /** Who could not renew for this time stops leading: well before others may start. */
  readonly renewWithin: number
  readonly retry: number
}

const TIMING: LeaseTiming = { lease: 15_000, renewWithin: 10_000, retry: 2_000 }

/**
 * One leader among replicas, by a Lease, with the semantics of client-go's leader election: clocks of different machines are never compared, only how
 * long this replica has seen the lease unchanged.
 */
export class Leader {
  readonly #options: LeaderOptions
  readonly #timing: LeaseTiming
  /** The lease as it was last seen, and when by our own clock. */
  #seen: { readonly version: string; readonly at: number } | undefined
  #held: { readonly leading: AbortController; renewedAt: number } | undefined
  #problem: string | undefined

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#timing = options.timing ?? TIMING
  }

  get isLeader(): boolean {
    return this.#held !== undefined
  }

  /** Tries to lead, again and again, until `signal` ends it; then gives the lease back, so that another need not wait for it to run out. */
  async run(signal: AbortSignal): Promise<void> {
    const { retry } = this.#timing
    while (!signal.aborted) {
      await this.#tryOnce(signal)
      // Not all replicas at the same moment; but who leads renews as regularly as it can.
      await after(this.#held ? retry : retry * (1 + Math.random() / 5), undefined, { signal }).catch(() => {})
    }
    const led = this.#held !== undefined
    this.#stepDown()
    if (led) await this.#release()
  }

  async #tryOnce(signal: AbortSignal): Promise<void> {
    const { lease, renewWithin } = this.#timing
    const asked = performance.now()
    const left = this.#held ? renewWithin - (asked - this.#held.renewedAt) : lease
    const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.ceil(left)))])
    let mine: boolean
    try {
      mine = await this.#acquireOrRenew(limit)
      this.#problem = undefined
    } catch (error) {
      if (signal.aborted) return
      mine = this.#failed(error as Error)
      if (mine) return
    }
    if (!mine) this.#stepDown()
    else if (this.#held) this.#held.renewedAt = asked
    else this.#start(asked)
  }

  /** Returns whether we lead all the same, for now: as long as no other can think that it does. */
  #failed(error: Error): boolean {
    const { log, namespace } = this.#options
    // Another one was faster: the next attempt sees what it wrote.
    if (!(error instanceof ApiError && error.status === 409) && this.#problem !== error.message) {
      this.#problem = error.message
      log('warning', `cannot ${this.#held ? 'renew' : 'ask for'} Lease ${namespace}/${LEADER_LEASE}: ${error.message}`)
    }
    if (!this.#held) return false
    return performance.now() - this.#held.renewedAt < this.#timing.renewWithin
  }

  #start(at: number): void {
    const leading = new AbortController()
    this.#held = { leading, renewedAt: at }
    this.#options.log('info', 'leads: writes statuses and keeps what is in the cluster true')
    this.#options.lead(leading.signal)
  }

  #stepDown(): void {
    if (!this.#held) return
    this.#held.leading.abort()
    this.#held = undefined
    this.#options.log('info', 'leads no more')
  }

  /** Returns whether the lease is ours. Throws where that can't be told. */
  async #acquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { server, identity } = this.#options
    const { lease } = this.#timing
    const found = await readLive(server, this.#ref, signal)
    const now = new Date().toISOString().replace('Z', '000Z')
    const ours = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(lease / 1000), renewTime: now }
    if (!found) {
      const spec = { ...ours, acquireTime: now, leaseTransitions: 0 }
      // Applied rather than created, as RBAC can hold only that to a name; by a field manager of its own, so that another replica's is a conflict.
      const fieldManager = `${FIELD_MANAGER}-${identity}`.slice(0, 128)
      const created = await applyObject(server, { ...this.#ref, spec }, { signal, fieldManager, force: false })
      this.#saw(created)
      return true
    }
    const spec = (found['spec'] ?? {}) as LeaseSpec
    const isOurs = spec.holderIdentity === identity
    if (!isOurs && spec.holderIdentity && !this.#hasRunOut(found, spec)) return false
    const taken = { acquireTime: now, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 }
    const kept = { acquireTime: spec.acquireTime ?? now, leaseTransitions: spec.leaseTransitions ?? 0 }
    const next = { ...found, spec: { ...ours, ...(isOurs ? kept : taken) } }
    this.#saw(await replaceObject(server, next, { signal }))
    return true
  }

  #hasRunOut(found: LiveObject, { leaseDurationSeconds }: LeaseSpec): boolean {
    if (this.#seen?.version !== found.metadata.resourceVersion) this.#saw(found)
    const lasts = leaseDurationSeconds === undefined ? this.#timing.lease : leaseDurationSeconds * 1000
    return performance.now() - (this.#seen?.at ?? 0) > lasts
  }

  #saw({ metadata }: LiveObject): void {
    this.#seen = { version: metadata.resourceVersion, at: performance.now() }
  }

  async #release(): Promise<void> {
    const { server, identity, log } = this.#options
    const signal = AbortSignal.timeout(this.#timing.retry)
    try {
      const found = await readLive(server, this.#ref, signal)
      const spec = (found?.['spec'] ?? {}) as LeaseSpec
      if (!found || spec.holderIdentity !== identity) return
      await replaceObject(
        server,
        { ...found, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } },
        { signal },
      )
    } catch (error) {
      log('warning', `cannot give Lease ${LEADER_LEASE} back: ${(error as Error).message}; it runs out by itself`)
    }
  }

  get #ref() {
    const { namespace } = this.#options
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: LEADER_LEASE, namespace } }
  }
}
