import type { FieldPath, Position } from './resource.ts'

export type Severity = 'error' | 'warning' | 'info'

/**
 * What Weft tells a person about something that they wrote. The same shape from the parser, `analyze`,
 * admission, a proxy's NACK and an object's status.
 */
export interface Message {
  /** Stable name of the rule, in kebab case: `unknown-field`, `route-to-missing-subset`. See docs/reference/messages.md. */
  readonly rule: string
  readonly severity: Severity
  /** `VirtualService default/reviews`; absent where no object could be made out (broken YAML). */
  readonly object?: string
  /** `spec.http[0].route[1].destination.subset`; absent where the whole object is meant. */
  readonly field?: string
  readonly position?: Position
  /** What is wrong, as a sentence without a full stop at its end. */
  readonly problem: string
  /** What would be right, as an imperative sentence without a full stop at its end. */
  readonly remedy: string
}

/** `spec.http[0].match['x']`-style text of a path, as people write it. */
export function fieldText(path: FieldPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}

/** `file:line:column: error: OBJECT: field FIELD: problem; remedy [rule]`, on one line. */
export function messageText(message: Message): string {
  const { position, severity, object, field, problem, remedy, rule } = message
  const place = position ? `${position.file}:${position.line}:${position.column}: ` : ''
  const subject = [object, field].filter(Boolean).join(': ')
  return `${place}${severity}: ${subject ? `${subject}: ` : ''}${problem}; ${remedy} [${rule}]`
}
