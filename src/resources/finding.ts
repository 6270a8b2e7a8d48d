import { fieldText, type Message, type Severity } from './message.ts'
import type { FieldPath, Position } from './resource.ts'
import type { ResourceRule } from './rules.ts'

/** Something found in an object, before it is known where the object was written. */
export interface Finding {
  readonly rule: ResourceRule
  readonly severity: Severity
  /** Empty where the whole object is meant. */
  readonly path: FieldPath
  /** Whether the field's name is meant, or (the default) what it is set to. */
  readonly part?: 'key' | 'value'
  readonly problem: string
  readonly remedy: string
}

/** Looks into the text that an object was read from; empty where it comes from no file. */
export interface Place {
  readonly locate?: (path: FieldPath, part: 'key' | 'value') => Position
  /** A scalar as it stands in the file. */
  readonly written?: (path: FieldPath) => string | undefined
}

/** A finding as it is told to people. */
export function findingMessage(finding: Finding, object: string | undefined, place: Place): Message {
  const { rule, severity, path, part = 'value', problem, remedy } = finding
  const position = place.locate?.(path, part)
  return {
    rule,
    severity,
    ...(object === undefined ? {} : { object }),
    ...(path.length === 0 ? {} : { field: fieldText(path) }),
    ...(position === undefined ? {} : { position }),
    problem,
    remedy,
  }
}
