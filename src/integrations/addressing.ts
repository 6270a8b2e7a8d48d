import { parseDuration } from '../resources/duration.ts'
import type { AlertReceiver } from '../resources/observability.ts'
import { keyOf } from '../resources/resource.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import { lengthOf } from '../telemetry/slo/length-of-days.ts'
import { means } from './matching.ts'
import type { Delivery, Outbox } from './outbox.ts'

const USUAL_WAIT = 10_000

/** What there is to tell at a moment. */
export interface ToTell {
  /** All that fire. */
  readonly firing: ReadonlyMap<string, Alert>
  /** How one ended that fired: undefined where that is not known any more. */
  readonly ended: (key: string) => Alert | undefined
  readonly isSilenced: (alert: Alert) => boolean
}

/**
 * Puts into the outbox what a receiver is to know and does not. It is told from what is, not from what happened: nothing is forgotten, however often the process
 * ends, and nothing is told twice that was told.
 */
export function address(
  receiver: AlertReceiver,
  { firing, ended, isSilenced }: ToTell,
  outbox: Outbox,
  now: number,
): void {
  const { spec } = receiver
  if (!spec) return
  const key = keyOf(receiver)
  const before = outbox.of(key)
  const wait = waitOf(spec.groupWait)
  const repeat = spec.repeatAfter === undefined ? undefined : lengthOf(spec.repeatAfter)
  for (const alert of firing.values()) {
    const known = before.get(alert.key)
    const episode = alert.firedAt ?? alert.since
    const isKnown = known?.episode === episode
    if (isSilenced(alert)) {
      // What nobody was told of yet is not told now.
      if (known?.wanted && known.state === 'firing' && !(isKnown && known.told === 'firing'))
        outbox.remove(key, alert.key)
      continue
    }
    if (!isKnown && !means(receiver, spec.match, alert)) continue
    if (!isKnown) outbox.put(newDelivery(key, alert, episode, now + wait))
    else if (known.wanted && known.state === 'firing') outbox.put({ ...known, wanted: alert })
    else if (repeat !== undefined && known.toldAt !== null && now - known.toldAt >= repeat)
      outbox.put({ ...known, wanted: alert, due: now })
  }
  for (const [alertKey, known] of before) {
    if (firing.has(alertKey) || known.state === 'resolved') continue
    const alert = ended(alertKey)
    if (!alert || spec.sendResolved === false) {
      // What began and ended while nobody could be told is told once, as what began.
      if (known.told === 'firing' || !known.wanted) outbox.remove(key, alertKey)
      continue
    }
    outbox.put({ ...known, state: 'resolved', wanted: alert, due: Math.max(now, known.attempts > 0 ? known.due : now) })
  }
}

function newDelivery(receiver: string, alert: Alert, episode: number, due: number): Delivery {
  const nothing = { attempts: 0, problem: '', told: '', toldAt: null } as const
  return { receiver, alert: alert.key, episode, state: 'firing', wanted: alert, due, ...nothing }
}

function waitOf(text: string | undefined): number {
  const parsed = text === undefined ? undefined : parseDuration(text)
  return parsed?.ok ? parsed.milliseconds : USUAL_WAIT
}
