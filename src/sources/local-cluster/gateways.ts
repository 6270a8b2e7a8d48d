import type { Service } from '../../resources/core.ts'
import type { Gateway as ApiGateway } from '../../resources/gateway-api.ts'
import type { Gateway } from '../../resources/istio.ts'
import { type Labels, matchesLabels } from '../../resources/labels.ts'
import { KIND } from '../../resources/resource.ts'
import { placed } from './pod-plan.ts'
import { hashOf, type PlannedSet } from './pods.ts'

/** GatewayClasses that we act upon: ours, and Istio's so that its YAML runs as it is. */
const GATEWAY_CLASSES: ReadonlySet<string> = new Set(['weft', 'istio'])

/** The gateway that Istio's default profile installs, and that its samples select. */
const INGRESS = {
  namespace: 'istio-system',
  name: 'istio-ingressgateway',
  labels: { istio: 'ingressgateway', app: 'istio-ingressgateway' },
} as const

export interface LocalGateway {
  readonly pods: PlannedSet
  readonly service: Service
}

/**
 * The pods and the Service of the gateway that stands in for Istio's ingress gateway, where an Istio Gateway selects it and nobody
 * wrote one.
 * @param written labels of all pods that were written
 * @param lowestPort see ClusterSettings
 */
export function builtInGateway(
  gateways: Iterable<Gateway>,
  written: readonly Labels[],
  lowestPort: number,
): LocalGateway | undefined {
  const ports = new Map<number, string>()
  for (const { spec } of gateways) {
    if (!matchesLabels(spec?.selector, INGRESS.labels)) continue
    if (written.some((labels) => matchesLabels(spec?.selector ?? {}, labels))) continue
    for (const server of spec?.servers ?? []) if (server.port) ports.set(server.port.number, server.port.protocol)
  }
  if (ports.size === 0) return undefined
  return {
    pods: gatewayPods('built-in ingress gateway', INGRESS.namespace, INGRESS.name, INGRESS.name, INGRESS.labels),
    service: gatewayService(INGRESS.namespace, INGRESS.name, INGRESS.labels, ports, lowestPort),
  }
}

/** What Istio's automated deployment makes for a Gateway of the Gateway API: pods and a Service called GATEWAY-CLASS. */
export function apiGateway(gateway: ApiGateway, lowestPort: number): LocalGateway | undefined {
  const { name, namespace = 'default' } = gateway.metadata
  const gatewayClass = gateway.spec?.gatewayClassName ?? ''
  if (!GATEWAY_CLASSES.has(gatewayClass)) return undefined
  const made = `${name}-${gatewayClass}`
  const labels = {
    ...gateway.spec?.infrastructure?.labels,
    'gateway.networking.k8s.io/gateway-name': name,
    'gateway.networking.k8s.io/gateway-class-name': gatewayClass,
  }
  const ports = new Map((gateway.spec?.listeners ?? []).map(({ port, protocol }) => [port, protocol]))
  return {
    // As in a cluster: else its pods would be taken for those of a workload of the Gateway's own name.
    pods: gatewayPods(`Deployment ${namespace}/${made}`, namespace, made, made, labels),
    service: gatewayService(namespace, made, { 'gateway.networking.k8s.io/gateway-name': name }, ports, lowestPort),
  }
}

function gatewayPods(owner: string, namespace: string, name: string, account: string, labels: Labels): PlannedSet {
  const revision = hashOf(labels)
  return {
    owner,
    namespace,
    name,
    single: false,
    replicas: 1,
    labels,
    revision,
    blocked: undefined,
    plan: (podName, block, number) => ({
      key: `${namespace}/${podName}`,
      namespace,
      name: podName,
      ...placed(block, number),
      owner,
      revision,
      role: 'gateway',
      serviceAccount: account,
      labels,
      annotations: {},
      containers: [],
      graceSeconds: 30,
    }),
  }
}

function gatewayService(
  namespace: string,
  name: string,
  selector: Labels,
  ports: ReadonlyMap<number, string>,
  lowestPort: number,
): Service {
  // As Istio's own ingress gateway does it: port 80 is served at 8080, 443 at 8443.
  const target = (port: number) => {
    if (port >= lowestPort) return port
    const moved = port + 8000
    return ports.has(moved) ? port + 18_000 : moved
  }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    [KIND]: 'core/Service',
    metadata: { name, namespace, labels: selector },
    spec: {
      type: 'LoadBalancer',
      selector,
      ports: [...ports]
        .sort(([a], [b]) => a - b)
        .map(([port, protocol]) => {
          const name = `${/^(http|http2|grpc)$/i.test(protocol) ? 'http' : 'tcp'}-${port}`
          return { name, port, targetPort: target(port) }
        }),
    },
  }
}
