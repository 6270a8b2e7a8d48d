import type { AlertReceiver } from '../resources/observability.ts'
import { keyOf } from '../resources/resource.ts'
import type { Alert } from '../telemetry/questions/alerts.ts'
import type { Delivery, Outbox } from './outbox.ts'
import { type Receiver, Undelivered } from './receiver.ts'

const FIRST_AGAIN = 1000
const LAST_AGAIN = 5 * 60_000

/** In how many ms it is tried again after so many failures: longer and longer, and not at the same moment as everybody else. @param random 0 to 1 */
export function againIn(failures: number, random: number): number {
  const most = Math.min(LAST_AGAIN, FIRST_AGAIN * 2 ** Math.min(failures, 20))
  return most / 2 + (most / 2) * random
}

export interface DeliveringOptions {
  readonly outbox: Outbox
  readonly now: () => number
  readonly random: () => number
}

/** Tells a receiver what is due. One that is away, or slow, keeps nobody else waiting. */
export async function deliver(
  resource: AlertReceiver,
  receiver: Receiver,
  { outbox, now, random }: DeliveringOptions,
  signal: AbortSignal,
): Promise<void> {
  const key = keyOf(resource)
  for (const group of dueGroups(resource, receiver.together, [...outbox.of(key).values()], now())) {
    try {
      // Who was never told that it began is told so first: an incident that ends has to have begun.
      const unknown = group.filter(({ state, told }) => state === 'resolved' && told === '')
      if (!receiver.together && unknown.length > 0) await receiver.send(unknown.map(asFiring), signal)
      await receiver.send(
        group.flatMap(({ wanted }) => wanted ?? []),
        signal,
      )
    } catch (error) {
      if (signal.aborted) return
      const { message, away, retryAfterMs } = error instanceof Undelivered ? error : unexpected(error as Error)
      const failed = away ? waiting(outbox, key) : group
      outbox.transaction(() => {
        for (const each of failed) {
          const attempts = each.attempts + 1
          const due = now() + Math.max(retryAfterMs ?? 0, againIn(away ? attempts : attempts + 4, random()))
          outbox.put({ ...each, attempts, due, problem: message })
        }
      })
      if (away) return
      continue
    }
    const at = now()
    outbox.transaction(() => {
      for (const each of group) settle(outbox, each, at)
      outbox.took(key, at)
    })
  }
}

/** Whoever tells may have ended before it did, and be replaced: what was due no longer ago than this is told once more then, in ms. */
const TAKEN_OVER_IN = 2 * 60_000

/** Takes for told what another server must have told by now. */
export function assumeTold(receiver: string, outbox: Outbox, now: number): void {
  for (const each of outbox.of(receiver).values())
    if (each.wanted && each.due + TAKEN_OVER_IN <= now) settle(outbox, each, now)
}

/** Notes what was told. Meanwhile there may be something else to tell. */
function settle(outbox: Outbox, told: Delivery, at: number): void {
  const now = outbox.get(told.receiver, told.alert)
  if (!now) return
  const isNewer = now.wanted && (now.state !== told.state || now.episode !== told.episode)
  if (isNewer) {
    if (now.episode === told.episode) outbox.put({ ...now, told: told.state, toldAt: at })
  } else if (told.state === 'resolved') outbox.remove(told.receiver, told.alert)
  else {
    const { wanted: _, ...rest } = now
    outbox.put({ ...rest, told: told.state, toldAt: at, attempts: 0, problem: '' })
  }
}

/** What is due, in the groups in which it is told. With one of a group those go that wait for others only. */
function dueGroups(
  { spec }: AlertReceiver,
  together: boolean,
  all: readonly Delivery[],
  now: number,
): readonly (readonly Delivery[])[] {
  const groups = new Map<string, Delivery[]>()
  for (const each of all) {
    if (!each.wanted) continue
    const { labels } = each.wanted
    const name = together ? JSON.stringify((spec?.groupBy ?? []).map((label) => labels[label] ?? '')) : each.alert
    const group = groups.get(name)
    if (group) group.push(each)
    else groups.set(name, [each])
  }
  return [...groups.values()].flatMap((group) => {
    if (!group.some(({ due }) => due <= now)) return []
    return [group.filter(({ due, attempts }) => due <= now || attempts === 0)]
  })
}

function waiting(outbox: Outbox, receiver: string): readonly Delivery[] {
  return [...outbox.of(receiver).values()].filter(({ wanted }) => wanted !== undefined)
}

function asFiring({ wanted }: Delivery): Alert {
  const alert = wanted as Alert
  return { ...alert, state: 'firing', resolvedAt: null, ended: '' }
}

/** A mistake of ours is told as such, and tried again as others are. */
function unexpected(error: Error): Undelivered {
  return new Undelivered(`it could not be told: ${error.message}`, true)
}
