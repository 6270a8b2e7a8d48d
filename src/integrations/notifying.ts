import { ROOT_NAMESPACE } from '../mesh/visibility.ts'
import type { AlertReceiver } from '../resources/observability.ts'
import { keyOf } from '../resources/resource.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Alert, ReceiverStatus, SilenceStatus } from '../telemetry/questions/alerts.ts'
import type { Ledger } from '../telemetry/store/ledger.ts'
import { address } from './addressing.ts'
import { assumeTold, deliver } from './delivering.ts'
import { poster } from './http.ts'
import { isActive, silencedBy } from './matching.ts'
import { Outbox } from './outbox.ts'
import type { Receiver } from './receiver.ts'
import { receiverOf, typeOf } from './receivers.ts'
import { type SecretKeys, secretAt } from './secrets.ts'

export interface NotifyingOptions {
  /** With the tables of `OUTBOX_SCHEMA`. */
  readonly ledger: Ledger
  readonly snapshot: () => Snapshot
  readonly mesh: string
  readonly secretKeys: SecretKeys
  readonly now?: () => number
  readonly random?: () => number
}

/** Tells receivers of alerts. */
export class Notifying {
  readonly #options: NotifyingOptions
  readonly #outbox: Outbox
  /** Those that are being told now. */
  readonly #busy = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()
  readonly #now: () => number

  constructor(options: NotifyingOptions) {
    this.#options = options
    this.#outbox = new Outbox(options.ledger)
    this.#now = options.now ?? Date.now
  }

  /**
   * Notes who is to be told what, and begins to tell those whose time has come.
   * @param tells false where another server tells: this one only keeps up, to go on from there
   * @throws Error where it cannot be written
   */
  notify(open: ReadonlyMap<string, Alert>, ended: (key: string) => Alert | undefined, tells = true): void {
    const snapshot = this.#options.snapshot()
    const now = this.#now()
    const firing = new Map([...open].filter(([, { state }]) => state === 'firing'))
    const silences = [...snapshot.all('observability.weft.dev/Silence').values()]
    const isSilenced = (alert: Alert) => silencedBy(silences, alert, now) !== undefined
    const receivers = this.#receivers()
    this.#outbox.transaction(() => {
      this.#outbox.keepOnly(new Set(receivers.map(keyOf)))
      for (const receiver of receivers) {
        address(receiver, { firing, ended, isSilenced }, this.#outbox, now)
        if (!tells) assumeTold(keyOf(receiver), this.#outbox, now)
      }
    })
    if (tells) for (const receiver of receivers) this.#begin(receiver)
  }

  /** Resolves when nobody is being told anything. */
  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values())
  }

  /** Tells a receiver at once that this is a test. @throws Error where there is none of that name, or Undelivered where it does not come through */
  async test(key: string): Promise<void> {
    const resource = this.#options.snapshot().get('observability.weft.dev/AlertReceiver', key)
    const receiver = resource && this.#receiver(resource)
    if (!resource || !receiver) throw new Error(`there is no AlertReceiver ${key}`)
    const now = this.#now()
    const [namespace = '', name = ''] = key.split('/')
    const firing: Alert = {
      key: `test/${key}`,
      rule: { kind: 'Test', namespace, name },
      severity: 'info',
      labels: { rule: name, namespace, severity: 'info' },
      summary: 'a test of the way by which alerts are told: nothing is wrong',
      runbook: '',
      state: 'firing',
      since: now,
      firedAt: now,
      resolvedAt: null,
      held: 0,
      lookedAt: now,
      noDataSince: null,
      ended: '',
    }
    await receiver.send([firing], this.#closing.signal)
    await receiver.send(
      [{ ...firing, state: 'resolved', resolvedAt: now, ended: 'it was a test' }],
      this.#closing.signal,
    )
  }

  get receivers(): readonly ReceiverStatus[] {
    return this.#receivers().map((resource) => {
      const key = keyOf(resource)
      const waiting = [...this.#outbox.of(key).values()].filter(({ wanted }) => wanted !== undefined)
      return {
        namespace: resource.metadata.namespace ?? 'default',
        name: resource.metadata.name,
        type: typeOf(resource.spec) ?? '',
        waiting: waiting.length,
        problem: waiting.find(({ problem }) => problem !== '')?.problem ?? '',
        nextTry: waiting.length === 0 ? null : Math.min(...waiting.map(({ due }) => due)),
        lastTold: this.#outbox.lastTold(key) ?? null,
      }
    })
  }

  get silences(): readonly SilenceStatus[] {
    const now = this.#now()
    return [...this.#options.snapshot().all('observability.weft.dev/Silence').values()].flatMap((silence) => {
      const { spec, metadata } = silence
      if (!spec) return []
      return {
        namespace: metadata.namespace ?? 'default',
        name: metadata.name,
        reason: spec.reason,
        by: spec.by ?? '',
        from: spec.from === undefined ? null : Date.parse(spec.from),
        until: Date.parse(spec.until),
        active: isActive(silence, now),
      }
    })
  }

  /** The silence that keeps an alert quiet; empty where none does. */
  silencedBy(alert: Alert): string {
    const silences = this.#options.snapshot().all('observability.weft.dev/Silence').values()
    return silencedBy(silences, alert, this.#now()) ?? ''
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.idle()
  }

  #receivers(): readonly AlertReceiver[] {
    const all = this.#options.snapshot().all('observability.weft.dev/AlertReceiver')
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource)
  }

  #begin(resource: AlertReceiver): void {
    const key = keyOf(resource)
    const receiver = this.#receiver(resource)
    if (!receiver || this.#busy.has(key) || this.#closing.signal.aborted) return
    const { random = Math.random } = this.#options
    const telling = deliver(resource, receiver, { outbox: this.#outbox, now: this.#now, random }, this.#closing.signal)
      // What cannot be written down is told again.
      .catch(() => {})
      .finally(() => this.#busy.delete(key))
    this.#busy.set(key, telling)
  }

  #receiver(resource: AlertReceiver): Receiver | undefined {
    const { namespace = 'default' } = resource.metadata
    const { mesh, secretKeys: keys } = this.#options
    const trusted = namespace === ROOT_NAMESPACE
    return receiverOf(resource, {
      key: keyOf(resource),
      mesh,
      post: poster(trusted),
      secret: (reference) => secretAt(reference, { namespace, trusted, keys }),
    })
  }
}
