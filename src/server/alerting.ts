import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../identity/log.ts'
import { Notifying } from '../integrations/notifying.ts'
import { OUTBOX_SCHEMA } from '../integrations/outbox.ts'
import type { SecretKeys } from '../integrations/secrets.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Store } from '../store/store.ts'
import { ALERT_SCHEMA } from '../telemetry/alerts/alert-store.ts'
import { Alerting } from '../telemetry/alerts/alerting.ts'
import type { AlertsAnswer } from '../telemetry/questions/alerts.ts'
import type { Questions } from '../telemetry/questions/questions.ts'
import type { SloStatus } from '../telemetry/questions/slos.ts'
import { OBJECTIVE_SCHEMA } from '../telemetry/slo/objective-store.ts'
import { Ledger } from '../telemetry/store/ledger.ts'
import { type AlertFacts, alertWorld } from './alert-world.ts'

export interface AlertingParts extends Omit<AlertFacts, 'snapshot'> {
  readonly store: Store
  readonly questions: () => Questions
  readonly follow: Questions['follow']
  /** Where it is kept; in memory if absent. */
  readonly folder?: string
  /** Of the mesh: what alerts say they come from. */
  readonly mesh: string
  readonly secretKeys: SecretKeys
  /** Whether it is this server that tells receivers; another one does where not. */
  readonly tells: () => boolean
  /** Told when something may be another now. */
  readonly onChange: () => void
  readonly log: Log
}

/** What a server does about objectives and alerts. */
export interface AlertService {
  slos(): readonly SloStatus[]
  alerts(): AlertsAnswer
  /** Tells a receiver that this is a test. @throws Error where that does not come through */
  test(receiver: string): Promise<void>
  close(): Promise<void>
}

/** How often it is looked, in ms. */
const LOOK_MS = 15_000
/** How often it is looked who is due to be told, in ms. */
const TELL_MS = 2000
/** Soon after the objects that it is about changed, in ms. */
const SOON_MS = 500
const GROW_MS = 10 * 60_000
/** What all of it may take on disk, in bytes. */
const LIMIT_BYTES = 128 * 1024 * 1024
const MOST_ENDED = 100

/** Looks at objectives and alert rules for as long as the server runs, from when it knows all objects. */
export function startAlerting(parts: AlertingParts): AlertService {
  const { store, questions, follow, folder, mesh, secretKeys, tells, onChange, log } = parts
  if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const ledger = new Ledger({
    file: folder === undefined ? ':memory:' : join(folder, 'alerts.sqlite'),
    schema: OBJECTIVE_SCHEMA + ALERT_SCHEMA + OUTBOX_SCHEMA,
    limitBytes: LIMIT_BYTES,
    onProblem: (problem) => log('error', `alerts: ${problem}`),
  })
  let measuredAt: number | undefined
  const unfollow = follow((event) => {
    if ('measured' in event) measuredAt = event.measured
  })
  const snapshot = () => store.snapshot
  const world = alertWorld({ ...parts, snapshot }, () => measuredAt)
  const ask: ConstructorParameters<typeof Alerting>[0]['ask'] = {
    outcomes: (question) => questions().outcomes(question),
    signals: (question) => questions().signals(question),
    plaintext: (question) => questions().plaintext(question),
    intake: () => questions().intake(),
  }
  const alerting = new Alerting({ ledger, ask, world, snapshot })
  const notifying = new Notifying({ ledger, snapshot, mesh, secretKeys })

  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined
  let isClosed = false
  let grownAt = Date.now()
  let problem = ''
  let shown = ''
  // The same again and again says nothing new.
  const told = ({ message }: Error) => {
    if (message !== problem) log('error', `alerts: ${message}`)
    problem = message
  }
  const tell = () => {
    try {
      notifying.notify(alerting.open, (key) => alerting.lastEnded(key), tells())
    } catch (error) {
      told(error as Error)
    }
  }
  const look = async () => {
    try {
      const now = Date.now()
      await alerting.look(now)
      if (Math.abs(now - grownAt) > GROW_MS) {
        grownAt = now
        alerting.grow(now)
      }
      problem = ''
    } catch (error) {
      told(error as Error)
    }
    tell()
    const now = JSON.stringify([
      alerting.slos,
      [...alerting.open.values()].map(({ lookedAt: _, held: __, ...rest }) => rest),
    ])
    if (now !== shown) onChange()
    shown = now
  }
  const soon = (after: number) => {
    if (isClosed) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      looking = look().finally(() => {
        looking = undefined
        soon(LOOK_MS)
      })
    }, after).unref()
  }
  let telling: NodeJS.Timeout | undefined
  void store.synced().then(() => {
    soon(0)
    if (!isClosed) telling = setInterval(tell, TELL_MS).unref()
  })
  const unsubscribe = store.subscribe((now, before) => {
    if (looking === undefined && isAboutAlerts(now, before)) soon(SOON_MS)
  })

  return {
    slos: () => [...alerting.slos].sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1)),
    alerts() {
      const open = [...alerting.open.values()].sort((a, b) => ORDER[a.state] - ORDER[b.state] || b.since - a.since)
      return {
        alerts: [...open, ...alerting.ended(MOST_ENDED)].map((alert) => ({
          ...alert,
          silencedBy: alert.state === 'resolved' ? '' : notifying.silencedBy(alert),
        })),
        receivers: notifying.receivers,
        silences: notifying.silences,
        problems: alerting.problems,
      }
    },
    test: (receiver) => notifying.test(receiver),
    async close() {
      isClosed = true
      clearTimeout(timer)
      clearInterval(telling)
      unsubscribe()
      unfollow()
      await looking?.catch(() => {})
      await notifying.close()
      ledger.close()
    },
  }
}

const ORDER = { firing: 0, pending: 1, resolved: 2 } as const

function isAboutAlerts(now: Snapshot, before: Snapshot): boolean {
  return [...now.changedKinds(before)].some((kind) => kind.startsWith('observability.weft.dev/'))
}
