import type { FindingCounts, Message } from './answers.ts'

const NONE: FindingCounts = { error: 0, warning: 0, info: 0 }

/** How much was found, of each severity. */
export function countFindings(messages: readonly Message[]): FindingCounts {
  const counts = { ...NONE }
  for (const { severity } of messages) counts[severity]++
  return counts
}

/** Findings by the object that they are about (`VirtualService default/reviews`). */
export class FindingsByObject {
  readonly #byObject = new Map<string, Message[]>()

  constructor(messages: readonly Message[]) {
    for (const message of messages) {
      if (message.object === undefined) continue
      const list = this.#byObject.get(message.object) ?? []
      list.push(message)
      this.#byObject.set(message.object, list)
    }
  }

  /** About any of some objects, each once. */
  of(objects: Iterable<{ readonly kind: string; readonly key: string }>): readonly Message[] {
    const names = new Set([...objects].map(({ kind, key }) => `${kind} ${key}`))
    return [...names].flatMap((name) => this.#byObject.get(name) ?? [])
  }
}
