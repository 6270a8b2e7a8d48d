import { KINDS, type KindId } from '../../resources/kinds.ts'
import { fieldText } from '../../resources/message.ts'
import { type FieldPath, KIND, type Resource } from '../../resources/resource.ts'
import { reasonAgainst } from '../../resources/support/reasons.ts'
import { unsupportedFields } from '../../resources/support.ts'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import type { Check } from '../check.ts'

export const fieldNotSupported: Check = {
  rule: 'field-not-supported',
  severity: 'warning',
  about: 'A field is right, but Weft does not act on it yet: it has no effect.',
  *find(snapshot) {
    for (const { id } of Object.values(KINDS)) {
      const objects = snapshot.all(id) as PersistentMap<Resource>
      for (const [resource, path] of [...ignored([objects], id).values()].flat()) {
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

const ignored = deriveMap<[PersistentMap<Resource>], [KindId], readonly (readonly [Resource, FieldPath])[]>(
  'analysis/ignored-fields',
  (_, [resource], _kind) => {
    const paths = resource ? [...unsupportedFields(resource)] : []
    return resource && paths.length > 0 ? paths.map((path) => [resource, path]) : undefined
  },
)

/** `timeout`, and with its value where that is short enough to tell more: of some fields only some values are not acted on. */
function settingText(resource: Resource, path: FieldPath): string {
  const name = fieldText(path.slice(-1))
  let value: unknown = resource
  for (const part of path) value = (value as Readonly<Record<string | number, unknown>> | undefined)?.[part]
  return typeof value === 'object' || value === undefined ? name : `${name}: ${value}`
}
