import type { Engine } from '../../adoption/onboarding/engine.ts'
import type { Onboarding } from '../../adoption/onboarding/onboarding.ts'
import type { World } from '../../adoption/onboarding/world.ts'
import type { Log } from '../../identity/log.ts'
import type { Wanted } from './wanted.ts'

/** Between two looks at all of them, in ms. */
const REST_MS = 2000

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
  const heard = new Map<string, number>()
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
        const since = heard.get(application) ?? there.history.at(-1)?.at ?? 0
        const is = await engine.tryAdvance(application)
        if (is) heard.set(application, tell(is, since, log))
      }
      trouble = ''
    } catch (error) {
      // What cannot be read or written now is tried again; it is told once.
      const { message } = error as Error
      if (message !== trouble) log('warn', `onboarding: ${message}`)
      trouble = message
    }
    await world.clock.wait(REST_MS, signal)
  }
}

/** @returns when the newest of what was told was */
function tell({ spec, history }: Onboarding, since: number, log: Log): number {
  for (const { at, step, says } of history)
    if (at > since) log('info', `onboarding ${spec.application}: ${step ? `${step}: ` : ''}${says}`)
  return history.at(-1)?.at ?? since
}
