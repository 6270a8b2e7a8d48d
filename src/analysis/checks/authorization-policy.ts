import { MESH_CONFIG_MAP, meshConfig } from '../../mesh/mesh-config.ts'
import { targetRefsOf } from '../../mesh/selected-policies.ts'
import { services } from '../../mesh/services.ts'
import { closest } from '../../resources/did-you-mean.ts'
import type { AuthorizationPolicy } from '../../resources/istio.ts'
import type { FieldPath } from '../../resources/resource.ts'
import type { Check } from '../check.ts'

export const missingAuthorizer: Check = {
  rule: 'missing-authorizer',
  severity: 'error',
  about:
    'An AuthorizationPolicy with the action CUSTOM names no provider of the mesh config that can be asked: what it is for is denied.',
  *find(snapshot) {
    const { authorizers } = meshConfig(snapshot)
    const all = services(snapshot)
    const denied = 'what its rules are for is denied'
    for (const resource of snapshot.all('security.istio.io/AuthorizationPolicy').values()) {
      if (resource.spec?.action !== 'CUSTOM') continue
      const name = resource.spec.provider?.name
      if (!name) {
        const problem = `the action CUSTOM needs a provider; ${denied}`
        yield { resource, path: ['spec'], problem, remedy: 'set spec.provider.name' }
        continue
      }
      const path: FieldPath = ['spec', 'provider', 'name']
      const authorizer = authorizers.get(name)
      if (!authorizer) {
        yield {
          resource,
          path,
          problem: `ConfigMap ${MESH_CONFIG_MAP} has no extension provider "${name}" with envoyExtAuthzHttp or envoyExtAuthzGrpc; ${denied}`,
          remedy: 'add it there, or name one that is there',
          suggestion: () => {
            const near = closest(name, [...authorizers.keys()])
            return near && `write "${near}" if that was meant`
          },
        }
        continue
      }
      const { service = '', port } = authorizer.settings
      const host = service.replace(/^[^/]*\//, '').toLowerCase()
      if (all.get(host)?.ports.some(({ number }) => number === port)) continue
      yield {
        resource,
        path,
        problem: `the provider is at ${host || 'no host'}:${port ?? 'no port'}, which no service of the mesh has; ${denied}`,
        remedy: `correct service and port of the provider in ConfigMap ${MESH_CONFIG_MAP}, or add the service`,
      }
    }
  },
}

export const targetWithoutEffect: Check = {
  rule: 'target-without-effect',
  severity: 'warning',
  about:
    'A policy about requests is attached to something that only waypoints enforce policies for, as in Istio, or to a Gateway that there is not.',
  *find(snapshot) {
    const gateways = snapshot.all('gateway.networking.k8s.io/Gateway')
    const policies = [
      ...snapshot.all('security.istio.io/AuthorizationPolicy').values(),
      ...snapshot.all('security.istio.io/RequestAuthentication').values(),
    ]
    for (const resource of policies) {
      const listed = (resource.spec?.targetRefs?.length ?? 0) > 0
      for (const [i, { kind, name }] of targetRefsOf(resource).entries()) {
        const path: FieldPath = listed ? ['spec', 'targetRefs', i] : ['spec', 'targetRef']
        if (kind === 'Gateway') {
          if (gateways.has(`${resource.metadata.namespace}/${name}`)) continue
          yield {
            resource,
            path,
            problem: `there is no Gateway "${name}" in namespace ${resource.metadata.namespace}`,
            remedy: 'name a Gateway of the same namespace',
          }
        } else if (kind !== 'GatewayClass') {
          yield {
            resource,
            path,
            problem: `a policy for a ${kind} is enforced by waypoints alone, and there are none: it has no effect`,
            remedy: 'select the workloads behind it by spec.selector.matchLabels',
          }
        }
      }
    }
  },
}

/** Of a token that is not verified yet when an authorizer is asked. */
const OF_TOKENS = ['requestPrincipals', 'notRequestPrincipals'] as const

export const customByToken: Check = {
  rule: 'custom-by-token',
  severity: 'warning',
  about:
    'An AuthorizationPolicy with the action CUSTOM looks at tokens, which are verified only after external authorizers were asked.',
  *find(snapshot) {
    for (const resource of snapshot.all('security.istio.io/AuthorizationPolicy').values()) {
      if (resource.spec?.action !== 'CUSTOM') continue
      for (const path of tokenFields(resource)) {
        yield {
          resource,
          path,
          problem: 'an external authorizer is asked before tokens are verified: no request has this then',
          remedy: 'leave it to the authorizer, or to an ALLOW or DENY',
        }
      }
    }
  },
}

function* tokenFields({ spec }: AuthorizationPolicy): Iterable<FieldPath> {
  for (const [r, rule] of (spec?.rules ?? []).entries()) {
    const at = ['spec', 'rules', r] as const
    for (const [i, { source }] of (rule.from ?? []).entries())
      for (const field of OF_TOKENS) if (source?.[field]?.length) yield [...at, 'from', i, 'source', field]
    for (const [i, { key }] of (rule.when ?? []).entries())
      if (key.startsWith('request.auth.')) yield [...at, 'when', i, 'key']
  }
}
