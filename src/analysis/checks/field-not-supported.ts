import { fieldText } from '../../resources/message.ts'
import { type FieldPath, KIND, type Resource } from '../../resources/resource.ts'
import { reasonAgainst } from '../../resources/support/reasons.ts'
import { unsupportedFields } from '../../resources/support.ts'
import type { Check } from '../check.ts'

export const fieldNotSupported: Check = {
  rule: 'field-not-supported',
  severity: 'warning',
  about: 'A field is right, but Weft does not act on it yet: it has no effect.',
  *find(snapshot) {
    for (const resource of snapshot.resources()) {
      for (const path of unsupportedFields(resource)) {
        const whole = path.length === 0
        const field = path.slice(1).filter((step) => typeof step === 'string')
        const reason = reasonAgainst(resource[KIND], field.join('.'))
        yield {
          resource,
          path,
          problem: `Weft does not act on ${whole ? `kind ${resource.kind}` : `"${settingText(resource, path)}"`} yet: it has no effect${reason ? ` (${reason})` : ''}`,
          remedy: `remove ${whole ? 'the object' : 'the field'} if nothing depends on it, or do not rely on it`,
        }
      }
    }
  },
}

/** `timeout`, and with its value where that is short enough to tell more: of some fields only some values are not acted on. */
function settingText(resource: Resource, path: FieldPath): string {
  const name = fieldText(path.slice(-1))
  let value: unknown = resource
  for (const part of path) value = (value as Readonly<Record<string | number, unknown>> | undefined)?.[part]
  return typeof value === 'object' || value === undefined ? name : `${name}: ${value}`
}
