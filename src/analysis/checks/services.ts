import { WELL_KNOWN } from '../../mesh/model.ts'
import { byAge } from '../../mesh/precedence.ts'
import { servicePortProtocol } from '../../mesh/protocol.ts'
import type { Service, ServicePort } from '../../resources/core.ts'
import { displayName } from '../../resources/resource.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { Check } from '../check.ts'
import { labelsText, type PodLike, podsWith } from '../views/pods.ts'

export const serviceWithoutPods: Check = {
  rule: 'service-without-pods',
  severity: 'info',
  about: 'The selector of a Service is for pods that do not exist: requests to it are answered with 503.',
  *find(snapshot) {
    for (const resource of snapshot.all('core/Service').values()) {
      if (!selects(resource) || selectedPods(snapshot, resource).length > 0) continue
      yield {
        resource,
        path: ['spec', 'selector'],
        problem: `no pod in namespace ${resource.metadata.namespace} has the labels ${labelsText(resource.spec?.selector ?? {})}`,
        remedy: 'select labels that the pods have, or add the pods',
      }
    }
  },
}

export const unnamedProtocol: Check = {
  rule: 'unnamed-protocol',
  severity: 'info',
  about:
    "A Service's port tells its protocol neither by appProtocol nor by its name: it is guessed from the first bytes of each connection.",
  *find(snapshot) {
    for (const resource of snapshot.all('core/Service').values()) {
      // Without a selector there are no proxies that would have to know.
      if (!selects(resource) || isGateway(snapshot, resource)) continue
      for (const [i, port] of (resource.spec?.ports ?? []).entries()) {
        if (servicePortProtocol(port) !== 'auto') continue
        const called = port.name ? `port name "${port.name}"` : `port ${port.port}`
        const prefixed = port.name ? `http-${port.name}` : 'http'
        yield {
          resource,
          path: ['spec', 'ports', i, ...(port.name ? ['name'] : [])],
          problem: `${called} does not tell the protocol, which is then guessed for every connection`,
          remedy: `name it with the protocol in front ("${prefixed}", "tcp-..."), or set appProtocol`,
        }
      }
    }
  },
}

export const missingTargetPort: Check = {
  rule: 'missing-target-port',
  severity: 'warning',
  about: "A Service's targetPort is the name of a port that no container of its pods has: the port leads nowhere.",
  *find(snapshot) {
    for (const resource of snapshot.all('core/Service').values()) {
      if (!selects(resource)) continue
      const pods = selectedPods(snapshot, resource)
      for (const [i, { targetPort }] of (resource.spec?.ports ?? []).entries()) {
        if (typeof targetPort !== 'string' || targetPort === '' || pods.length === 0) continue
        const names = new Set(pods.flatMap(containerPortNames))
        if (names.has(targetPort)) continue
        yield {
          resource,
          path: ['spec', 'ports', i, 'targetPort'],
          problem: `no container of its pods has a port called "${targetPort}"${names.size > 0 ? `: there are ${[...names].join(', ')}` : ''}`,
          remedy: 'write the number of the port, or name the port in the container',
        }
      }
    }
  },
}

export const portWithTwoProtocols: Check = {
  rule: 'port-with-two-protocols',
  severity: 'warning',
  about:
    'Two Services say different protocols for one port of the same pods: the older Service is believed for all requests.',
  *find(snapshot) {
    const claims = new Map<string, { service: Service; protocol: string }>()
    for (const resource of [...snapshot.all('core/Service').values()].sort(byAge)) {
      if (!selects(resource)) continue
      const told = new Set<string>()
      for (const pod of selectedPods(snapshot, resource)) {
        for (const [i, port] of (resource.spec?.ports ?? []).entries()) {
          const protocol = servicePortProtocol(port)
          if (protocol === 'udp') continue
          const key = `${displayName(pod.resource)} ${targetOf(port)}`
          const first = claims.get(key)
          if (!first) claims.set(key, { service: resource, protocol })
          else if (first.protocol !== protocol && first.service !== resource && !told.has(`${i}`)) {
            told.add(`${i}`)
            yield {
              resource,
              path: ['spec', 'ports', i],
              problem: `port ${targetOf(port)} of ${displayName(pod.resource)} is ${protocol} here, and ${first.protocol} in ${displayName(first.service)}, which is believed`,
              remedy: 'say the same protocol in both',
            }
          }
        }
      }
    }
  },
}

function selects(service: Service): boolean {
  return service.spec?.type !== 'ExternalName' && Object.keys(service.spec?.selector ?? {}).length > 0
}

function selectedPods(snapshot: Snapshot, service: Service): readonly PodLike[] {
  return podsWith(snapshot, service.spec?.selector ?? {}, service.metadata.namespace)
}

/** A gateway's ports are what its Gateway says they are. */
function isGateway(snapshot: Snapshot, service: Service): boolean {
  return selectedPods(snapshot, service).some(
    ({ resource, labels }) =>
      resource.metadata.annotations?.[WELL_KNOWN.proxyRole] === 'gateway' ||
      labels[WELL_KNOWN.gatewayName] !== undefined,
  )
}

function containerPortNames({ spec }: PodLike): readonly string[] {
  return (spec?.containers ?? []).flatMap(({ ports }) => (ports ?? []).flatMap(({ name }) => name ?? []))
}

function targetOf({ targetPort, port }: ServicePort): number | string {
  return targetPort || port
}
