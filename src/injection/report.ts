import type { Message, Severity } from '../resources/message.ts'
import { fieldText } from '../resources/message.ts'

/** Something to tell about a pod's wishes. */
export interface Told {
  readonly rule:
    | 'bad-injection-annotation'
    | 'injection-annotation-ignored'
    | 'application-runs-as-proxy'
    | 'port-of-proxy'
  readonly severity: Severity
  readonly annotation?: string
  /** Where it is no annotation that is meant. */
  readonly field?: string
  readonly problem: string
  readonly remedy: string
}

export type Report = (told: Told) => void

/** @param object such as `Pod shop/web` */
export function injectionMessage({ annotation, field, ...told }: Told, object: string): Message {
  const place = annotation === undefined ? field : fieldText(['metadata', 'annotations', annotation])
  return { object, ...(place === undefined ? {} : { field: place }), ...told }
}
