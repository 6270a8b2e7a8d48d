import { fieldText, type Message } from '../../resources/message.ts'
import { positionOf } from '../../resources/position.ts'
import { displayName, type FieldPath, type Resource } from '../../resources/resource.ts'

/** Tells something about a place in an object that a person wrote. */
export type Tell = (
  object: Resource,
  path: FieldPath,
  message: { rule: string; severity: 'error' | 'warning' | 'info'; problem: string; remedy: string },
) => void

/** Collects what is told about objects, with the places to find it. */
export function telling(messages: Message[]): Tell {
  return (object, path, { rule, severity, problem, remedy }) => {
    const position = positionOf(object, path)
    const field = fieldText(path)
    messages.push({
      rule,
      severity,
      object: displayName(object),
      ...(field === '' ? {} : { field }),
      ...(position ? { position } : {}),
      problem,
      remedy,
    })
  }
}
