import type { ApiGateway } from '../../mesh/routing/api-gateways.ts'
import { transportOf } from '../../mesh/routing/gateway-listeners.ts'
import {
  GATEWAY_CLASS_LABEL,
  GATEWAY_NAME_LABEL,
  gatewayNameLabel,
  infrastructureName,
} from '../../mesh/routing/gateway-names.ts'
import type { Gateway } from '../../resources/gateway-api.ts'
import { merged, type Value } from './merge.ts'
import type { GatewayParameters, PatchedPart } from './parameters.ts'

/** An object to be made in a cluster. */
export interface MadeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string } & { readonly [field: string]: Value }
  readonly [field: string]: Value
}

/** What the pods of a Gateway are made from. */
export interface GatewayPod {
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A port that a Gateway takes traffic on. */
export interface ExposedPort {
  readonly port: number
  readonly protocol: 'TCP' | 'UDP'
  /** Of the listeners there. */
  readonly listenerProtocol: string
}

/**
 * All that is made for a Gateway in its own namespace: ServiceAccount, Deployment, HorizontalPodAutoscaler, PodDisruptionBudget and Service (of type
 * LoadBalancer; none while there is no port to take traffic on). They belong to the Gateway, and go when it goes.
 * @param podTemplate the pods: `spec.template` of a Deployment
 */
export function gatewayObjects(
  api: ApiGateway,
  parameters: GatewayParameters,
  podTemplate: (pod: GatewayPod) => Value,
): readonly MadeObject[] {
  const { gateway } = api
  const { infrastructure, gatewayClassName = '' } = gateway.spec ?? {}
  const name = infrastructureName(gateway)
  const selector = { [GATEWAY_NAME_LABEL]: gatewayNameLabel(gateway.metadata.name) }
  const labels = { ...infrastructure?.labels, ...selector, [GATEWAY_CLASS_LABEL]: gatewayClassName }
  const annotations = infrastructure?.annotations ?? {}
  const metadata = {
    name,
    namespace: gateway.metadata.namespace ?? '',
    labels,
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    ownerReferences: [ownerReference(gateway)],
  }
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name }
  const ports = exposedPorts(api)
  const objects: readonly (readonly [PatchedPart, MadeObject])[] = [
    ['serviceAccount', { apiVersion: 'v1', kind: 'ServiceAccount', metadata }],
    [
      'deployment',
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: {
          // How many replicas there are is for the autoscaler to say.
          selector: { matchLabels: selector },
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
          template: podTemplate({ serviceAccount: name, labels, annotations }),
        },
      },
    ],
    [
      'horizontalPodAutoscaler',
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata,
        spec: {
          scaleTargetRef: target,
          minReplicas: 1,
          maxReplicas: 5,
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
          ],
        },
      },
    ],
    [
      'podDisruptionBudget',
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata,
        // Not minAvailable: with one replica that would keep its node from ever being drained.
        spec: { maxUnavailable: 1, selector: { matchLabels: selector } },
      },
    ],
    ...(ports.length > 0 ? [['service', service(gateway, metadata, selector, ports)] as const] : []),
  ]
  return objects.map(([part, object]) => {
    let patched: Value = object
    for (const patch of parameters[part] ?? []) patched = merged(patched, patch)
    // Nobody may make it another object, or another one's.
    const { apiVersion, kind } = object
    const { metadata: written } = patched as MadeObject
    return { ...(patched as MadeObject), apiVersion, kind, metadata: { ...written, ...pinned(object) } }
  })
}

/** On a Gateway, "true": its Service takes datagrams, too, where HTTPS listeners are, which then speak HTTP/3. */
const HTTP3_ANNOTATION = 'weft.dev/http3'

/** The ports of a Gateway's listeners, those of its ListenerSets included, without the ones that do nothing. */
function exposedPorts({ gateway, listeners }: ApiGateway): readonly ExposedPort[] {
  const http3 = gateway.metadata.annotations?.[HTTP3_ANNOTATION] === 'true'
  const ports = new Map<string, ExposedPort>()
  for (const { listener, problem } of listeners) {
    if (problem) continue
    const protocol = transportOf(listener)
    const key = `${protocol} ${listener.port}`
    if (!ports.has(key)) ports.set(key, { port: listener.port, protocol, listenerProtocol: listener.protocol })
  }
  if (http3)
    for (const { listener, problem } of listeners) {
      const { port, protocol } = listener
      const key = `UDP ${port}`
      if (protocol !== 'HTTPS' || problem || ports.has(key)) continue
      ports.set(key, { port, protocol: 'UDP', listenerProtocol: 'HTTP3' })
    }
  return [...ports.values()].sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1))
}

function service(
  gateway: Gateway,
  metadata: MadeObject['metadata'],
  selector: Readonly<Record<string, string>>,
  ports: readonly ExposedPort[],
): MadeObject {
  const [wanted] = (gateway.spec?.addresses ?? []).filter(
    ({ type = 'IPAddress', value }) => type === 'IPAddress' && value,
  )
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      type: 'LoadBalancer',
      ...(wanted?.value ? { loadBalancerIP: wanted.value } : {}),
      selector,
      ports: ports.map(({ port, protocol, listenerProtocol }) => ({
        name: `${listenerProtocol.toLowerCase()}-${port}`,
        port,
        targetPort: port,
        protocol,
      })),
    },
  }
}

function ownerReference({ apiVersion, metadata }: Gateway) {
  // Also where the cluster serves more than one version, an owner is found by its group, kind and uid.
  return {
    apiVersion,
    kind: 'Gateway',
    name: metadata.name,
    uid: metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

function pinned({ metadata }: MadeObject) {
  const { name, namespace, ownerReferences } = metadata
  return { name, namespace, ownerReferences }
}
