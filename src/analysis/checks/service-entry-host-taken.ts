import { byAge } from '../../mesh/precedence.ts'
import { services } from '../../mesh/services.ts'
import { displayName } from '../../resources/resource.ts'
import type { Check } from '../check.ts'

export const serviceEntryHostTaken: Check = {
  rule: 'service-entry-host-taken',
  severity: 'warning',
  about: 'A ServiceEntry names a host that a Service or another ServiceEntry has: it has no effect for that host.',
  *find(snapshot) {
    const all = services(snapshot)
    for (const resource of [...snapshot.all('networking.istio.io/ServiceEntry').values()].sort(byAge)) {
      for (const [i, written] of (resource.spec?.hosts ?? []).entries()) {
        const owner = all.get(written.toLowerCase())?.resource
        if (!owner || owner === resource) continue
        yield {
          resource,
          path: ['spec', 'hosts', i],
          problem: `"${written}" is the host of ${displayName(owner)} already, which counts`,
          remedy: 'take the host out of one of the two',
        }
      }
    }
  },
}
