import type { Secret } from '../../resources/core.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { displayName, type FieldPath, type Resource } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { podsWith } from '../views/pods.ts'

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

interface Credential {
  readonly resource: Resource
  readonly path: FieldPath
  readonly name: string
  readonly namespaces: readonly string[]
}

function* credentials(snapshot: Snapshot): Iterable<Credential> {
  for (const resource of snapshot.all('networking.istio.io/Gateway').values()) {
    // Istio looks for the Secret where the gateway's pods are.
    const pods = podsWith(snapshot, resource.spec?.selector ?? {})
    if (pods.length === 0) continue
    const namespaces = [...new Set(pods.map((pod) => pod.namespace))]
    for (const [i, { tls }] of (resource.spec?.servers ?? []).entries()) {
      const path = ['spec', 'servers', i, 'tls']
      if (tls?.credentialName)
        yield { resource, path: [...path, 'credentialName'], name: tls.credentialName, namespaces }
      for (const [j, name] of (tls?.credentialNames ?? []).entries())
        yield { resource, path: [...path, 'credentialNames', j], name, namespaces }
    }
  }
  for (const resource of snapshot.all('gateway.networking.k8s.io/Gateway').values()) {
    for (const [i, { protocol, tls }] of (resource.spec?.listeners ?? []).entries()) {
      if (protocol === 'HTTP') continue // has no use for one, which is told apart
      for (const [j, { name, namespace, kind = 'Secret', group = '' }] of (tls?.certificateRefs ?? []).entries()) {
        if (kind !== 'Secret' || group !== '') continue
        const path = ['spec', 'listeners', i, 'tls', 'certificateRefs', j, 'name']
        yield {
          resource,
          path,
          name,
          namespaces: [namespace ?? resource.metadata.namespace ?? ''],
        } satisfies Credential
      }
    }
  }
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
