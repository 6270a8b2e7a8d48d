import { fieldText } from '../../resources/message.ts'
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
        yield {
          resource,
          path,
          problem: `Weft does not act on ${whole ? `a ${resource.kind}` : `"${fieldText(path.slice(-1))}"`} yet: it has no effect`,
          remedy: `remove ${whole ? 'the object' : 'the field'} if nothing depends on it, or do not rely on it`,
        }
      }
    }
  },
}
