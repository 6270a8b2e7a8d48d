import { isIPv6 } from 'node:net'
import type * as core from '../resources/core.ts'
import type { WorkloadEntry } from '../resources/istio.ts'
import { deriveMap, deriveOverlay, perSnapshot } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import { asksForDnsCapture } from './dns-capture.ts'
import { asksForTransparency } from './interception-mode.ts'
import { localityNamed, localityOfLabels, nodeLocalities } from './locality.ts'
import { OF_HOST } from './member-health.ts'
import { type Capture, type Locality, WELL_KNOWN, type Workload } from './model.ts'
import { spiffeId } from './trust-domains.ts'

/**
 * The pods that have a proxy, or a gRPC library in its place, and an address, by `namespace/pod`; and the hosts outside of clusters whose proxies the mesh configures, by
 * `namespace/entry` of their WorkloadEntries.
 */
export const workloads = perSnapshot(
  (snapshot): PersistentMap<Workload> =>
    together(
      fromEntries([snapshot.all('networking.istio.io/WorkloadEntry')]),
      fromPods([snapshot.all('core/Pod')], nodeLocalities(snapshot)),
    ),
)

/** A pod is never hidden by an entry that is called as it is. */
const together = deriveOverlay<Workload>('mesh/workloads/together')

type Localities = PersistentMap<Locality>

const fromPods = deriveMap<[PersistentMap<core.Pod>], [Localities], Workload>('mesh/workloads', (key, [pod], nodes) => {
  const address = pod?.status?.podIP
  if (!pod || !address || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined
  const { name, namespace = '', labels = {}, annotations = {} } = pod.metadata
  const role = roleOf(labels, annotations)
  if (!role) return undefined
  const { serviceAccountName: serviceAccount = 'default', nodeName: node } = pod.spec ?? {}
  const locality = localityOfLabels(labels) ?? nodes.get(node ?? '')
  return {
    key,
    name,
    namespace,
    address,
    labels,
    serviceAccount,
    identity: spiffeId(namespace, serviceAccount),
    role,
    ...(role === 'gateway' && pod.metadata.deletionTimestamp !== undefined ? { isEnding: true } : {}),
    ...(isProxyless(labels) ? { isProxyless: true as const } : {}),
    ...(locality ? { locality } : {}),
    ...(node ? { node } : {}),
    containerPorts: (pod.spec?.containers ?? []).flatMap((container) =>
      (container.ports ?? []).map((port) => ({ name: port.name ?? '', port: port.containerPort })),
    ),
    capture: captureOf(pod.status, address, annotations),
  }
})

const fromEntries = deriveMap<[PersistentMap<WorkloadEntry>], [], Workload>('mesh/workloads/hosts', (key, [entry]) => {
  const { address, locality, ports = {}, serviceAccount = 'default', labels: more } = entry?.spec ?? {}
  const { name, namespace = '', labels: own, annotations = {} } = entry?.metadata ?? { name: '' }
  if (!address || annotations[OF_HOST] === undefined) return undefined
  return {
    key,
    name,
    namespace,
    address,
    labels: { ...own, ...more },
    serviceAccount,
    identity: spiffeId(namespace, serviceAccount),
    role: 'sidecar',
    isHost: true,
    ...(locality ? { locality: localityNamed(locality) } : {}),
    containerPorts: Object.entries(ports).map(([name, port]) => ({ name, port })),
    capture: captureOf(undefined, address, annotations),
  }
})

type Texts = Readonly<Record<string, string>>

/** What the proxy of a pod is, by the pod's labels and annotations; undefined where it has none. */
export function roleOf(labels: Texts, annotations: Texts): Workload['role'] | undefined {
  const role = labels[WELL_KNOWN.proxyRole] ?? annotations[WELL_KNOWN.proxyRole]
  if (role === 'gateway' || labels[WELL_KNOWN.gatewayName] !== undefined) return 'gateway'
  return labels[WELL_KNOWN.tlsMode] === 'istio' || isProxyless(labels) ? 'sidecar' : undefined
}

/** Whether a pod's gRPC library does itself what others have a proxy for. */
export function isProxyless(labels: Texts): boolean {
  return labels[WELL_KNOWN.proxyRole] === 'grpc'
}

function captureOf(status: core.PodStatus | undefined, address: string, annotations: Texts): Capture {
  const proxyPort = annotations[WELL_KNOWN.httpProxyPort]
  const appAddress = annotations[WELL_KNOWN.appAddress]
  if (proxyPort === undefined && appAddress === undefined)
    return {
      mode: 'redirect',
      ...(asksForDnsCapture(annotations) ? { dns: true } : {}),
      ...(asksForTransparency(annotations) ? { transparent: true } : {}),
      ...([address, ...(status?.podIPs ?? []).map(({ ip }) => ip)].some((each) => isIPv6(each)) ? { ipv6: true } : {}),
    }
  return { mode: 'listeners', appAddress: appAddress ?? address, httpProxyPort: Number(proxyPort ?? 15001) }
}
