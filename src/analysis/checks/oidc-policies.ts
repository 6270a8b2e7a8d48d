import { knownProviders } from '../../mesh/sign-on/known-providers.ts'
import { oldest, signOns, targetsOf } from '../../mesh/sign-on/oidc-policies.ts'
import { LOGOUT_PATH, REDIRECT_PATH } from '../../mesh/sign-on/own-paths.ts'
import { closest } from '../../resources/did-you-mean.ts'
import type { FieldPath } from '../../resources/resource.ts'
import { displayName } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check, Finding } from '../check.ts'

export const oidcSecretMissing: Check = {
  rule: 'oidc-secret-missing',
  severity: 'error',
  about: "An OIDCPolicy names a Secret that does not exist, or has no client's secret in it: gateways let nobody in.",
  *find(snapshot) {
    for (const { policy: resource, spec, ready } of signOns(snapshot).values()) {
      if (!('problem' in ready) || !ready.problem.includes('Secret ')) continue
      const { name } = spec.clientSecret
      yield {
        resource,
        path: ['spec', 'clientSecret', 'name'],
        problem: `${ready.problem}: nobody gets in`,
        remedy: `create it: kubectl create secret generic ${name} -n ${resource.metadata.namespace} --from-file=client-secret=FILE`,
      }
    }
  },
}

export const oidcProviderUnknown: Check = {
  rule: 'oidc-provider-unknown',
  severity: 'error',
  about: 'What an OpenID provider says of itself cannot be read: gateways let nobody in who has to sign on with it.',
  *find(snapshot) {
    const known = knownProviders(snapshot)
    for (const { policy: resource, spec, ready } of signOns(snapshot).values()) {
      const found = known[spec.provider.issuer]
      if (!('problem' in ready) || !found || !('problem' in found)) continue
      yield {
        resource,
        path: ['spec', 'provider', 'issuer'],
        problem: `${spec.provider.issuer} ${found.problem}`,
        remedy: 'mend that, or write authorizationEndpoint, tokenEndpoint and jwksURI; it is asked again by itself',
      }
    }
  },
}

export const oidcWithoutTls: Check = {
  rule: 'oidc-without-tls',
  severity: 'warning',
  about: "An OIDCPolicy's provider is called without TLS: whoever is on the way reads the client's secret and tokens.",
  *find(snapshot) {
    for (const { policy: resource, spec } of signOns(snapshot).values())
      for (const [field, url] of Object.entries(spec.provider))
        if (url?.startsWith('http://'))
          yield {
            resource,
            path: ['spec', 'provider', field],
            problem: `${url} is called without TLS`,
            remedy: 'write a URL that begins with https://',
          }
  },
}

export const oidcTargets: Check = {
  rule: 'oidc-target',
  severity: 'error',
  about: 'An OIDCPolicy is for something that does not exist, or that an older one is for: it has no effect there.',
  *find(snapshot) {
    const all = [...signOns(snapshot).values()]
    for (const signOn of all) {
      const { policy: resource, spec } = signOn
      for (const [index, { kind, name, sectionName }] of (spec.targetRefs ?? []).entries()) {
        const path: FieldPath = ['spec', 'targetRefs', index]
        const key = `${resource.metadata.namespace}/${name}`
        const missing = missingTarget(snapshot, kind, key, sectionName)
        if (missing) yield { resource, path: [...path, missing.field], ...missing.finding }
        const others = all.filter((other) =>
          targetsOf(other, kind).some((target) => target.key === key && target.section === sectionName),
        )
        const first = oldest(others)
        if (missing || !first || first.policy === resource) continue
        yield {
          resource,
          path,
          problem: `${displayName(first.policy)} is for it already, and is older`,
          remedy: 'take it out of one of the two',
        }
      }
    }
  },
}

type Missing = { readonly field: string; readonly finding: Pick<Finding, 'problem' | 'remedy' | 'suggestion'> }

function missingTarget(
  snapshot: Snapshot,
  kind: 'Gateway' | 'HTTPRoute',
  key: string,
  section: string | undefined,
): Missing | undefined {
  const target = snapshot.get(`gateway.networking.k8s.io/${kind}`, key)
  if (!target) {
    const objects = snapshot.all(`gateway.networking.k8s.io/${kind}`)
    const problem = `there is no ${kind} ${key} of Gateway API`
    const remedy = 'name one of the same namespace; gateways of Istio are named by selector'
    return { field: 'name', finding: { problem, remedy, suggestion: () => suggestion([...objects.keys()], key) } }
  }
  const { listeners = [] } = (target.spec ?? {}) as { listeners?: readonly { readonly name: string }[] }
  if (section === undefined) return undefined
  if (kind === 'HTTPRoute')
    return {
      field: 'sectionName',
      finding: { problem: 'an HTTPRoute is asked to sign on as a whole', remedy: 'leave sectionName out' },
    }
  if (listeners.some(({ name }) => name === section)) return undefined
  const names = listeners.map(({ name }) => `"${name}"`).join(', ')
  const problem = `Gateway ${key} has no listener "${section}"`
  return { field: 'sectionName', finding: { problem, remedy: `name one that it has: ${names}` } }
}

function suggestion(keys: readonly string[], key: string): string | undefined {
  const namespace = key.slice(0, key.indexOf('/') + 1)
  const near = closest(
    key,
    keys.filter((other) => other.startsWith(namespace)),
  )
  return near && `write "${near.slice(namespace.length)}" if that was meant`
}

export const oidcPathTaken: Check = {
  rule: 'oidc-path-taken',
  severity: 'warning',
  about:
    'Two OIDCPolicies have people come back to, or sign out at, one path: where both are for one host, only one of them can.',
  *find(snapshot) {
    const all = [...signOns(snapshot).values()]
    for (const signOn of all) {
      const { policy: resource, spec } = signOn
      // Of a gateway there is one only, unless some of its routes have their own.
      if (targetsOf(signOn, 'HTTPRoute').length === 0) continue
      for (const [field, usual] of PATHS) {
        const path = spec[field] ?? usual
        const other = all.find(
          (each) =>
            each !== signOn &&
            each.policy.metadata.namespace === resource.metadata.namespace &&
            (each.spec[field] ?? usual) === path,
        )
        if (!other) continue
        yield {
          resource,
          path: ['spec', field],
          problem: `${displayName(other.policy)} has ${path}, too: where both are for one host, one of them gets the other's people`,
          remedy: 'give it a path of its own, and tell the provider',
        }
      }
    }
  },
}

const PATHS: readonly (readonly [field: 'redirectPath' | 'logoutPath', usual: string])[] = [
  ['redirectPath', REDIRECT_PATH],
  ['logoutPath', LOGOUT_PATH],
]
