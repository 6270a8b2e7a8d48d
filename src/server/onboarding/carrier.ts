import { isDeepStrictEqual } from 'node:util'
import type { Engine } from '../../adoption/onboarding/engine.ts'
import type { HistoryEntry, Onboarding } from '../../adoption/onboarding/onboarding.ts'
import type { World } from '../../adoption/onboarding/world.ts'
import type { Log } from '../../identity/log.ts'
import type { Wanted } from './wanted.ts'

/** Between two looks at all of them, in ms. */
const REST_MS = 2000

/** Looks at one before the others have their turn. */
const MOST_AT_ONCE = 5

export interface CarrierOptions {
  readonly world: World
  readonly engine: Engine
  /** What Onboardings ask for now. */
  readonly wanted: () => readonly Wanted[]
  /** Does what people have left word of otherwise. */
  readonly take: () => Promise<void>
  readonly log: Log
}

/**
 * Carries applications on for as long as the server runs, or leads: what each Onboarding asks for is heeded once, and again when it asks for something else. One whose
 * resource is gone stays where it is.
 */
export async function carryOnboardings(options: CarrierOptions, signal: AbortSignal): Promise<void> {
  const { world, engine, wanted, take, log } = options
  const heard = new Map<string, HistoryEntry>()
  let trouble = ''
  while (!signal.aborted) {
    try {
      await take()
      const asked = new Map(wanted().map((each) => [each.spec.application, each]))
      for (const { spec, wish, asked: text } of asked.values()) await engine.heed(spec, wish, text)
      for (const there of await world.journal.list()) {
        const { application } = there.spec
        if (signal.aborted) return
        if (there.asked !== undefined && !asked.has(application)) continue
        const last = heard.get(application) ?? there.history.at(-1)
        const is = await advanced(engine, there, signal)
        const newest = is?.history.at(-1)
        if (is) tell(is, last, log)
        if (newest) heard.set(application, newest)
      }
      trouble = ''
    } catch (error) {
      // What cannot be read or written now is tried again; it is told once.
      const { message } = error as Error
      if (message !== trouble) log('warning', `onboarding: ${message}`)
      trouble = message
    }
    await world.clock.wait(REST_MS, signal)
  }
}

/** Looks again at once where something was done: only waiting takes turns. */
async function advanced(engine: Engine, before: Onboarding, signal: AbortSignal): Promise<Onboarding | undefined> {
  let is: Onboarding | undefined = before
  for (let looks = 0; looks < MOST_AT_ONCE && !signal.aborted; looks++) {
    const last: HistoryEntry | undefined = is.history.at(-1)
    is = await engine.tryAdvance(before.spec.application)
    if (!is || isDeepStrictEqual(is.history.at(-1), last)) break
  }
  return is
}

/** Entries of the history after one that was told last. */
function tell({ spec, history }: Onboarding, last: HistoryEntry | undefined, log: Log): void {
  const told = history.findLastIndex((entry) => isDeepStrictEqual(entry, last))
  for (const { step, says } of history.slice(told + 1))
    log('info', `onboarding ${spec.application}: ${step ? `${step}: ` : ''}${says}`)
}
