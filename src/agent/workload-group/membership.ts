import { setTimeout as after } from 'node:timers/promises'
import { type Log, logToStderr } from '../../identity/log.ts'
import type { WorkloadEntry, WorkloadGroup } from '../../resources/istio.ts'
import { entryOf, type Member } from './entry.ts'
import { type Probe, probeOnce } from './probe.ts'

/** Where members of groups are known. Each rejects where it cannot be done now. */
export interface Registry {
  put(entry: WorkloadEntry): Promise<void>
  tell(entry: WorkloadEntry, health: Health): Promise<void>
  remove(entry: WorkloadEntry): Promise<void>
}

/** The condition `Healthy` of an entry's status. */
export interface Health {
  readonly type: 'Healthy'
  readonly status: 'True' | 'False'
  readonly message: string
  /** When the other status was told last. */
  readonly lastTransitionTime: string
  /** When it was told; by it those are known that are gone without a word. */
  readonly lastProbeTime: string
}

export interface MembershipOptions extends Member {
  readonly group: WorkloadGroup
  readonly registry: Registry
  /** Where the application is asked whether it is well, unless the probe says. Default: `address`. */
  readonly probeAt?: string
  readonly log?: Log
  /** How often health is told even if it is as before, in ms. */
  readonly tellEveryMs?: number
}

const TELL_EVERY_MS = 20_000

/**
 * Makes a host a member of a WorkloadGroup until `signal` ends it: registers its WorkloadEntry, asks its application by the group's probe, and tells how that
 * is. Resolves when it is registered no more. What cannot be told is told later.
 */
export async function runMembership(options: MembershipOptions, signal: AbortSignal): Promise<void> {
  const { group, registry, address, probeAt = address, log = logToStderr, tellEveryMs = TELL_EVERY_MS } = options
  const entry = entryOf(group, options)
  const name = `WorkloadEntry ${entry.metadata.namespace}/${entry.metadata.name}`
  const probe = group.spec?.probe
  const verdict = new Verdict(probe)
  let told: { readonly health: Health; readonly at: number } | undefined
  let registered = false
  if (probe?.initialDelaySeconds) await pause(1000 * probe.initialDelaySeconds, signal)
  while (!signal.aborted) {
    try {
      if (!registered) {
        await registry.put(entry)
        registered = true
        log('info', `${name} is registered at ${address}`)
      }
      if (probe) verdict.add(await probeOnce(probe, probeAt).then(undefined, (error: Error) => error.message))
      const { status, message } = verdict.now
      const isNew = told?.health.status !== status
      if (status && (isNew || !told || performance.now() - told.at >= tellEveryMs)) {
        const now = new Date().toISOString()
        const lastTransitionTime = isNew || !told ? now : told.health.lastTransitionTime
        const health: Health = { type: 'Healthy', status, message, lastTransitionTime, lastProbeTime: now }
        await registry.tell(entry, health)
        if (isNew) log(status === 'True' ? 'info' : 'warning', `${name} is ${message}`)
        told = { health, at: performance.now() }
      }
    } catch (error) {
      // It may be gone there: then it is registered again.
      registered = false
      told = undefined
      log('warning', `${name} cannot be told of: ${(error as Error).message}; tries again`)
    }
    await pause(1000 * (probe ? probe.periodSeconds || PERIOD_SECONDS : PERIOD_SECONDS), signal)
  }
  await registry.remove(entry)
  log('info', `${name} is removed`)
}

/** Kubernetes' default of a probe. */
const PERIOD_SECONDS = 10

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return after(ms, undefined, { signal }).catch(() => {})
}

/** What a row of answers says, by the thresholds of a probe. Without a probe all is well. */
class Verdict {
  readonly #after: { readonly good: number; readonly bad: number }
  #status: Health['status'] | undefined
  #last: Health['status'] | undefined
  /** How many answers of the last kind came one after the other. */
  #row = 0
  #reason = ''

  constructor(probe: Probe | undefined) {
    this.#after = { good: probe?.successThreshold || 1, bad: probe?.failureThreshold || 3 }
    if (!probe) this.#status = 'True'
  }

  /** @param reason why the application is not well; undefined where it is */
  add(reason: string | undefined): void {
    const status = reason === undefined ? 'True' : 'False'
    this.#reason = reason ?? this.#reason
    this.#row = this.#last === status ? this.#row + 1 : 1
    this.#last = status
    if (this.#row >= (status === 'True' ? this.#after.good : this.#after.bad)) this.#status = status
  }

  get now(): { readonly status: Health['status'] | undefined; readonly message: string } {
    return { status: this.#status, message: this.#status === 'True' ? 'well' : `not well: ${this.#reason}` }
  }
}
