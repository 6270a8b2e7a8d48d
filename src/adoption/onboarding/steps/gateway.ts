import type { EstateObject } from '../../estate/estate.ts'
import type { Finding } from '../onboarding.ts'
import { hostsOf, isOurs, ownMetadata, rulesOf } from '../rules.ts'
import type { Step } from '../step.ts'
import { nameText } from '../writing.ts'

/** A way in from outside through a gateway, beside the one that there is: who comes by which of them is for DNS to say. */
export const GATEWAY: Step = {
  name: 'gateway',
  title: 'a way in by a gateway',

  async gate(view) {
    const { gateway, application } = view.onboarding.spec
    if (!gateway) return []
    const findings: Finding[] = []
    if (!hostsOf(view).some(({ service }) => service.metadata.name === gateway.service))
      findings.push({
        holds: false,
        says: `no Service ${gateway.service} leads to the application`,
        remedy: 'name one of its Services in spec.gateway.service',
      })
    if (gateway.shared) {
      const { name, namespace } = gateway.shared
      const there = rulesOf(view, 'Gateway').some(
        ({ metadata }) => metadata.name === name && (metadata.namespace ?? 'default') === namespace,
      )
      findings.push({
        holds: there,
        says: `the shared Gateway ${namespace}/${name} is ${there ? '' : 'not '}there`,
        ...(there ? {} : { remedy: 'make it first, or leave out spec.gateway.shared for one of its own' }),
      })
    }
    const taken = rulesOf(view, 'HTTPRoute').filter(
      (route) => !isOurs(route, application) && hostnamesOf(route).includes(gateway.hostname),
    )
    for (const route of taken)
      findings.push({
        holds: false,
        says: `${nameText(route)} has ${gateway.hostname} already`,
        remedy: 'leave this step out, or take that route away',
      })
    return findings
  },

  async propose({ onboarding: { spec } }) {
    const { gateway, application } = spec
    if (!gateway) return { nothing: 'nobody declared that requests come in from outside' }
    const name = application.slice(application.indexOf('/') + 1)
    const metadata = ownMetadata(application, name)
    const apiVersion = 'gateway.networking.k8s.io/v1'
    const own: EstateObject = {
      apiVersion,
      kind: 'Gateway',
      metadata,
      spec: {
        gatewayClassName: 'weft',
        listeners: [{ name: 'http', port: gateway.port, protocol: 'HTTP', hostname: gateway.hostname }],
      },
    }
    const route: EstateObject = {
      apiVersion,
      kind: 'HTTPRoute',
      metadata,
      spec: {
        parentRefs: [gateway.shared ? { ...gateway.shared } : { name }],
        hostnames: [gateway.hostname],
        rules: [{ backendRefs: [{ name: gateway.service, port: gateway.servicePort }] }],
      },
    }
    return { put: gateway.shared ? [route] : [own, route], remove: [], findings: [] }
  },
}

function hostnamesOf(route: EstateObject): readonly string[] {
  return ((route['spec'] ?? {}) as { readonly hostnames?: readonly string[] }).hostnames ?? []
}
