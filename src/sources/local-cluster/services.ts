import type { EndpointSlice, Pod, Service, ServicePort } from '../../resources/core.ts'
import { KIND, keyOf } from '../../resources/resource.ts'
import { localPort, serviceAddress } from './addresses.ts'
import { NODE_NAME } from './pod-plan.ts'

/** Prefix of the annotations on a Service that tell, for each of its TCP ports, the port of every sidecar that leads there. */
const LOCAL_PORT = 'weft.dev/local-port.'

export function localPortOf(service: Service, port: number): number | undefined {
  const text = service.metadata.annotations?.[LOCAL_PORT + port]
  return text === undefined ? undefined : Number(text)
}

/** Names under which the TCP ports of Services get a local port: `namespace/name:port`. */
export function localPortNames(services: Iterable<Service>): string[] {
  return Array.from(services).flatMap((service) =>
    (service.spec?.ports ?? []).filter(needsLocalPort).map((port) => `${keyOf(service)}:${port.port}`),
  )
}

/** Services that get a virtual address from us: those that Kubernetes would give one to and that were written without. */
export function needsAddress({ spec }: Service): boolean {
  return spec?.type !== 'ExternalName' && !spec?.clusterIP
}

/** The Service as an API server would hold it: with its address, and with a target port for each port. */
export function localService(
  service: Service,
  numbers: { address: number | undefined; ports: (name: string) => number | undefined },
): Service {
  const annotations: Record<string, string> = { ...service.metadata.annotations }
  for (const port of (service.spec?.ports ?? []).filter(needsLocalPort)) {
    const number = numbers.ports(`${keyOf(service)}:${port.port}`)
    if (number !== undefined) annotations[LOCAL_PORT + port.port] = String(localPort(number))
  }
  const address = numbers.address === undefined ? undefined : serviceAddress(numbers.address)
  return {
    ...service,
    metadata: { ...service.metadata, annotations },
    spec: {
      ...service.spec,
      ...(address === undefined ? {} : { clusterIP: address, clusterIPs: [address] }),
      ports: (service.spec?.ports ?? []).map((port) => ({ ...port, targetPort: port.targetPort ?? port.port })),
    },
  }
}

/** HTTP goes through the sidecar's HTTP proxy port; all else that is TCP, or may be, needs a port of its own. */
function needsLocalPort(port: ServicePort): boolean {
  return (port.protocol ?? 'TCP') === 'TCP' && !isHttp(port)
}

/** Whether a port is declared to be HTTP, by `appProtocol` or else by its name: Istio's "Protocol Selection". */
function isHttp(port: ServicePort): boolean {
  const told = port.appProtocol ?? port.name ?? ''
  return (
    /^(http|http2|grpc|grpc-web|http3|kubernetes\.io\/(h2c|ws))$/i.test(told) ||
    (!port.appProtocol && /^(http2?|grpc)-/.test(told))
  )
}

/**
 * The EndpointSlices of a Service that selects pods. One, unless its pods have different ports under the same name.
 * @param pods of the Service's namespace, those that are pending left out
 */
export function endpointSlices(service: Service, pods: readonly Pod[]): EndpointSlice[] {
  const { selector, ports = [] } = service.spec ?? {}
  if (!selector || Object.keys(selector).length === 0 || service.spec?.type === 'ExternalName') return []
  const groups = new Map<string, { ports: EndpointSlice['ports']; pods: Pod[] }>()
  for (const pod of pods) {
    if (!Object.entries(selector).every(([name, value]) => pod.metadata.labels?.[name] === value)) continue
    const resolved = ports.flatMap((port) => {
      const number = targetPort(port, pod)
      const { name, appProtocol, protocol = 'TCP' } = port
      if (number === undefined) return []
      return [
        {
          ...(name === undefined ? {} : { name }),
          ...(appProtocol === undefined ? {} : { appProtocol }),
          protocol,
          port: number,
        },
      ]
    })
    const key = JSON.stringify(resolved)
    const group = groups.get(key)
    if (group) group.pods.push(pod)
    else groups.set(key, { ports: resolved, pods: [pod] })
  }
  const { name, namespace } = service.metadata
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group], i) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      [KIND]: 'discovery.k8s.io/EndpointSlice',
      metadata: {
        name: `${name}-${i}`,
        ...(namespace === undefined ? {} : { namespace }),
        labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'weft.dev' },
        ownerReferences: [{ kind: 'Service', name }],
      },
      addressType: 'IPv4',
      ports: group.ports,
      endpoints: group.pods.map((pod) => endpointOf(pod, service.spec?.publishNotReadyAddresses ?? false)),
    }))
}

function endpointOf(pod: Pod, publishNotReady: boolean): NonNullable<EndpointSlice['endpoints']>[number] {
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const serving = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  const { name, namespace } = pod.metadata
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready: publishNotReady || (serving && !terminating), serving, terminating },
    nodeName: NODE_NAME,
    targetRef: { kind: 'Pod', name, ...(namespace === undefined ? {} : { namespace }) },
  }
}

function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number') return target
  for (const container of pod.spec?.containers ?? []) {
    const found = container.ports?.find(({ name }) => name === target)
    if (found) return found.containerPort
  }
  return undefined
}
