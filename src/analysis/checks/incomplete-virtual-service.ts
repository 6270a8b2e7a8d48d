import { gatewaysOf, MESH } from '../../mesh/routing/virtual-services.ts'
import type { HttpRoute, VirtualService } from '../../resources/istio.ts'
import type { Check, Finding } from '../check.ts'

/** What a rule can do with requests; it does one of these (Istio's reference of HTTPRoute). */
const ACTIONS = ['route', 'redirect', 'directResponse', 'delegate'] as const satisfies readonly (keyof HttpRoute)[]

export const incompleteVirtualService: Check = {
  rule: 'incomplete-virtual-service',
  severity: 'error',
  about:
    'A VirtualService names no host, has no rules, or a rule of it says nothing or two things at once about what to do.',
  *find(snapshot) {
    for (const resource of snapshot.all('networking.istio.io/VirtualService').values()) {
      for (const problem of problems(resource)) yield { resource, ...problem }
    }
  },
}

function* problems(resource: VirtualService): Iterable<Omit<Finding, 'resource'>> {
  const { hosts = [], http = [], tls = [], tcp = [] } = resource.spec ?? {}
  // Without hosts it can be what others delegate to, which then need not say where it applies.
  if (hosts.length === 0 && resource.spec?.gateways?.length)
    yield { path: ['spec', 'gateways'], problem: 'it is for gateways, but for no host', remedy: 'add hosts' }
  const star = hosts.indexOf('*')
  if (star >= 0 && gatewaysOf(resource).includes(MESH))
    yield {
      path: ['spec', 'hosts', star],
      problem: 'host "*" would take all calls of all sidecars, whomever they are for',
      remedy: 'name the gateways that it is for, or the hosts',
    }
  if (http.length + tls.length + tcp.length === 0)
    yield { path: ['spec'], problem: 'it has no rules', remedy: 'add http, tls or tcp' }
  for (const [i, rule] of http.entries()) {
    const path = ['spec', 'http', i]
    const actions = ACTIONS.filter((action) => (action === 'route' ? rule.route?.length : rule[action] !== undefined))
    const [, second] = actions
    if (actions.length === 0)
      yield { path, problem: 'the rule does not say what to do', remedy: `add one of ${ACTIONS.join(', ')}` }
    else if (second !== undefined)
      yield {
        path: [...path, second],
        problem: `the rule says ${actions.join(' and ')}, and can do only one of them`,
        remedy: `remove ${actions.slice(1).join(' and ')}, or make two rules of it`,
      }
  }
  for (const [protocol, rules] of [['tls', tls] as const, ['tcp', tcp] as const]) {
    for (const [i, rule] of rules.entries()) {
      if (rule.route?.length) continue
      yield {
        path: ['spec', protocol, i],
        problem: 'the rule does not say where to send connections',
        remedy: 'add route',
      }
    }
  }
}
