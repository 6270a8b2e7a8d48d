import type { Secret } from '../../resources/core.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { displayName } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { credentials } from '../views/credentials.ts'

export const missingCredential: Check = {
  rule: 'missing-credential',
  severity: 'error',
  about:
    'A Gateway names a Secret for its certificate that does not exist or has none in it: nobody can connect to that server.',
  *find(snapshot) {
    for (const { resource, path, name, namespaces } of credentials(snapshot)) {
      // Pods in several namespaces each need it; where there are none, the Gateway's own namespace has been named.
      for (const namespace of namespaces) {
        const secret = snapshot.get('core/Secret', `${namespace}/${name}`)
        const problem = secret ? lackOf(secret) : `there is no Secret ${namespace}/${name}`
        if (problem === undefined) continue
        if (secret) yield { resource, path, problem, remedy: 'put both into it, in PEM' }
        else {
          const remedy = `create it: kubectl create secret tls ${name} -n ${namespace} --cert=FILE --key=FILE`
          yield { resource, path, problem, remedy, suggestion: () => suggestion(snapshot, name, namespace) }
        }
      }
    }
  },
}

function lackOf(secret: Secret): string | undefined {
  const keys = new Set([...Object.keys(secret.data ?? {}), ...Object.keys(secret.stringData ?? {})])
  const has = (certificate: string, key: string) => keys.has(certificate) && keys.has(key)
  // Istio's older name for the same two.
  if (has('tls.crt', 'tls.key') || has('cert', 'key')) return undefined
  return `${displayName(secret)} has no tls.crt and tls.key in it${keys.size > 0 ? `: it has ${[...keys].join(', ')}` : ''}`
}

function suggestion(snapshot: Snapshot, name: string, namespace: string): string | undefined {
  const secrets = [...snapshot.all('core/Secret').values()]
  const elsewhere = secrets.find(({ metadata }) => metadata.name === name)
  if (elsewhere) return `copy it there from ${displayName(elsewhere)}: a proxy reads only Secrets of its own namespace`
  const here = secrets.filter(({ metadata }) => metadata.namespace === namespace).map(({ metadata }) => metadata.name)
  const near = closest(name, here)
  return near && `write "${near}" if that was meant`
}
