import { delegateKeys, delegateOf } from '../../mesh/routing/delegation.ts'
import { isVisible, virtualServices } from '../../mesh/routing/virtual-services.ts'
import type { VirtualService } from '../../resources/istio.ts'
import { displayName, keyOf } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'

export const badDelegate: Check = {
  rule: 'bad-delegate',
  severity: 'error',
  about:
    'A VirtualService leaves requests to one that is not there, that it does not see, or that leaves them to another in turn: what it leaves there has no route.',
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/VirtualService').values())
      for (const problem of problems(resource, snapshot)) yield { resource, ...problem }
  },
}

function* problems(resource: VirtualService, snapshot: Snapshot): Iterable<Omit<Finding, 'resource'>> {
  const all = virtualServices(snapshot)
  for (const [i, http] of (resource.spec?.http ?? []).entries()) {
    const key = delegateOf(http, resource)
    if (key === undefined) continue
    const path = ['spec', 'http', i, 'delegate']
    const delegate = all.get(key)
    if (!delegate) {
      yield { path, problem: `there is no VirtualService ${key}`, remedy: 'write one, or name one that there is' }
      continue
    }
    const { namespace = '' } = resource.metadata
    if (!isVisible(delegate, namespace))
      yield {
        path,
        problem: `${displayName(delegate)} is not exported to namespace ${namespace}`,
        remedy: `add ${namespace} to its exportTo`,
      }
    const [next] = delegateKeys(delegate)
    if (next === undefined) continue
    const isCircle = next === keyOf(resource) || next === key
    yield {
      path,
      problem: `${displayName(delegate)} leaves requests to ${next} in turn, ${isCircle ? 'which is a circle' : 'and only one level of that counts'}`,
      remedy: isCircle ? 'let one of them say what to do' : `write there what ${next} says`,
    }
  }
}
