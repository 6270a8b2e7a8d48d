import { keyPairIn } from '../../mesh/key-pair.ts'
import { displayName } from '../../resources/resource.ts'
import type { Check, Finding } from '../check.ts'
import { credentials } from '../views/credentials.ts'

export const unusableCredential: Check = {
  rule: 'unusable-credential',
  severity: 'error',
  about:
    'The certificate of a Gateway cannot be read, is not that of the key beside it, or is out of its time: nobody can connect to that server, or no client believes it.',
  *find(snapshot) {
    for (const { resource, path, name, namespaces } of credentials(snapshot))
      for (const namespace of namespaces) {
        const secret = snapshot.get('core/Secret', `${namespace}/${name}`)
        // Without both there is none: that is told apart.
        const wrong = secret && wrongWith(keyPairIn(secret))
        if (wrong) yield { resource, path, ...wrong, problem: `${displayName(secret)} ${wrong.problem}` }
      }
  },
}

function wrongWith(pair: ReturnType<typeof keyPairIn>): Pick<Finding, 'problem' | 'remedy'> | undefined {
  if ('problem' in pair)
    return pair.isMissing
      ? undefined
      : { problem: pair.problem, remedy: 'put a certificate and its own key into it, in PEM' }
  const { validFromDate, validToDate } = pair.certificate
  const now = new Date()
  const day = (date: Date) => date.toISOString().slice(0, 10)
  if (validToDate < now)
    return { problem: `has a certificate that expired on ${day(validToDate)}`, remedy: 'put a renewed one into it' }
  if (validFromDate > now)
    return {
      problem: `has a certificate that is not valid before ${day(validFromDate)}`,
      remedy: 'put one into it that is valid already, or set the clock right',
    }
  return undefined
}
