import { conditionKey, isOfHttp } from '../../mesh/authorization/condition-key.ts'
import { servicePortProtocol } from '../../mesh/protocol.ts'
import { targetRefsOf } from '../../mesh/selected-policies.ts'
import { ROOT_NAMESPACE } from '../../mesh/visibility.ts'
import type { Service } from '../../resources/core.ts'
import type { AuthorizationPolicy, AuthorizationPolicySpec } from '../../resources/istio.ts'
import { matchesLabels } from '../../resources/labels.ts'
import { displayName, type FieldPath } from '../../resources/resource.ts'
import type { Check } from '../check.ts'
import { podsWith } from '../views/pods.ts'

type Rule = NonNullable<AuthorizationPolicySpec['rules']>[number]

export const httpRuleForTcp: Check = {
  rule: 'http-rule-for-tcp',
  severity: 'warning',
  about:
    'A rule of an AuthorizationPolicy looks at HTTP, and is for workloads with a port that is not HTTP: there an ALLOW does not match, and a DENY denies whatever else it matches.',
  *find(snapshot) {
    const tcpServices = Map.groupBy(
      [...snapshot.all('core/Service').values()].filter((service) => tcpPort(service)),
      ({ metadata }) => metadata.namespace ?? '',
    )
    for (const resource of snapshot.all('security.istio.io/AuthorizationPolicy').values()) {
      const { namespace = '' } = resource.metadata
      const labels = resource.spec?.selector?.matchLabels ?? {}
      const action = resource.spec?.action ?? 'ALLOW'
      if (namespace === ROOT_NAMESPACE || targetRefsOf(resource).length > 0) continue
      const rules = [...httpRules(resource)]
      if (rules.length === 0 || (action !== 'ALLOW' && action !== 'DENY')) continue
      const services = tcpServices.get(namespace) ?? []
      if (services.length === 0) continue
      const pods = podsWith(snapshot, labels, namespace)
      const service = services.find(({ spec }) => pods.some((pod) => matchesLabels(spec?.selector, pod.labels)))
      if (!service) continue
      for (const [path, field] of rules) {
        const at = `port ${tcpPort(service)?.port} of ${displayName(service)} is not HTTP`
        yield {
          resource,
          path,
          problem:
            action === 'DENY'
              ? `${at}: there "${field}" is left out, and the rule denies all that it matches otherwise`
              : `${at}: there the rule allows nothing, as connections have no "${field}"`,
          remedy: 'name the ports that the rule is for in to[].operation.ports, and give others a rule of their own',
        }
      }
    }
  },
}

function tcpPort({ spec }: Service) {
  if (Object.keys(spec?.selector ?? {}).length === 0) return undefined
  return spec?.ports?.find((port) => ['tcp', 'tls', 'https'].includes(servicePortProtocol(port)))
}

/** The first field about HTTP of each rule that names no ports. */
function* httpRules({ spec }: AuthorizationPolicy): Iterable<readonly [FieldPath, string]> {
  for (const [index, rule] of (spec?.rules ?? []).entries()) {
    if (namesPorts(rule)) continue
    for (const [path, name] of fieldsOfHttp(rule)) {
      yield [['spec', 'rules', index, ...path], name]
      break
    }
  }
}

function namesPorts({ to, when }: Rule): boolean {
  const everywhere = (to ?? []).length > 0 && to?.every(({ operation }) => (operation?.ports ?? []).length > 0)
  return everywhere || (when ?? []).some(({ key }) => key === 'destination.port')
}

function* fieldsOfHttp({ from, to, when }: Rule): Iterable<readonly [FieldPath, string]> {
  for (const [i, { operation }] of (to ?? []).entries())
    for (const name of ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'] as const)
      if (operation?.[name]?.length) yield [['to', i, 'operation', name], name]
  for (const [i, { source }] of (from ?? []).entries())
    for (const name of ['requestPrincipals', 'notRequestPrincipals'] as const)
      if (source?.[name]?.length) yield [['from', i, 'source', name], name]
  for (const [i, { key }] of (when ?? []).entries()) {
    const known = conditionKey(key)
    if (known && isOfHttp(known)) yield [['when', i, 'key'], key]
  }
}
