import { stringify } from 'yaml'
import type { Engine, Preview } from '../../../adoption/onboarding/engine.ts'
import type { Onboarding } from '../../../adoption/onboarding/onboarding.ts'
import type { World } from '../../../adoption/onboarding/world.ts'
import { print } from '../../output-format.ts'
import { styled } from '../../style.ts'
import { currentStep } from '../status.ts'

export interface CarryOnOptions {
  /** `namespace/name` of the one that is waited for; all that are on their way are carried on. */
  readonly application: string
  readonly world: World
  readonly engine: Engine
  /** Does what others left word of. */
  readonly take: () => Promise<void>
  /** Between two looks, in ms. */
  readonly interval: number
  /** Only one look at each. */
  readonly once: boolean
  readonly signal: AbortSignal
}

/** Carries applications on until one is done, paused, or somebody stops it, and tells of each change. Returns whether nothing is left to be done for it. */
export async function carryOn(options: CarryOnOptions): Promise<boolean> {
  const { application, world, engine, take, interval, once, signal } = options
  const told = new Map<string, string>()
  const heard = new Map(
    (await world.journal.list()).map(({ spec, history }) => [spec.application, history.at(-1)?.at ?? 0]),
  )
  for (;;) {
    let own: Onboarding | undefined
    for (const { spec } of await world.journal.list()) {
      if (signal.aborted) return false
      const is = await engine.tryAdvance(spec.application)
      if (!is) continue
      await tell(is, heard.get(spec.application) ?? 0, told)
      heard.set(spec.application, is.history.at(-1)?.at ?? 0)
      if (spec.application === application) own = is
    }
    const isDone = own !== undefined && currentStep(own) === undefined
    if (isDone) await print(`${styled('green', '✓')} ${application} is done\n`)
    if (own === undefined) return false
    if (isDone || once) return true
    // Paused, or taken back: then something holds it.
    if (own.wish === 'pause') return own.held.length === 0
    await world.clock.wait(interval, signal)
    if (signal.aborted) return false
    await take()
  }
}

/** What is new: each change, and what holds it where that is another thing than before. */
async function tell({ spec, history, held }: Onboarding, since: number, told: Map<string, string>): Promise<void> {
  for (const { at, step, says } of history)
    if (at > since) await print(`${timeOf(at)} ${spec.application}  ${step ? `${step}: ` : ''}${says}\n`)
  // Numbers change from look to look: it is the same thing.
  const key = held.map(({ says }) => says.replaceAll(/\d+/g, '#')).join('\n')
  if (key === told.get(spec.application)) return
  told.set(spec.application, key)
  for (const { says, remedy } of held)
    await print(
      `${timeOf(Date.now())} ${spec.application}  ${styled('yellow', 'held')}: ${says}${remedy ? `; ${remedy}` : ''}\n`,
    )
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 19)
}

/** What the next step would do. */
export function previewText({ step, findings, change, nothing }: Preview): string {
  if (step === undefined) return 'Nothing is left to be done.\n'
  const lines = [
    `${styled('bold', step)}${nothing === undefined ? '' : `: nothing to do, ${nothing}`}`,
    ...findings.map(
      ({ holds, says, remedy }) =>
        `  ${holds ? styled('green', '✓') : styled('red', '✗')} ${says}${remedy && !holds ? `; ${remedy}` : ''}`,
    ),
    ...change.remove.map(({ kind, metadata }) => `  removes ${kind} ${metadata.namespace}/${metadata.name}`),
  ]
  const objects = change.put.map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join('')
  return `${lines.join('\n')}\n${objects}`
}
