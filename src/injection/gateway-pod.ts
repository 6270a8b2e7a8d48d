import { workloadNames } from '../mesh/workload-names.ts'
import { PROXY_CONTAINER } from '../resources/cluster-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import { isCustomProxy, withCustom } from './custom-proxy.ts'
import { gatewayLabels } from './labels.ts'
import { drainSeconds, IDENTITY, IDENTITY_ANNOTATIONS, proxyContainer, STARTUP_PROBE } from './proxy-container.ts'
import { type ProxySettings, proxySettings } from './proxy-settings.ts'
import { type Container, DEFAULT_SETTINGS, type InjectionSettings, type PodSpec, type Texts } from './settings.ts'

type Sysctl = NonNullable<NonNullable<PodSpec['securityContext']>['sysctls']>[number]

/** So that a proxy that is not root can listen at 80 and 443. One of the settings that Kubernetes calls safe, and Pod Security's `restricted` allows. */
const ALL_PORTS: Sysctl = { name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }

/** Time for load balancers to notice that a gateway goes, during which it goes on, in seconds. */
const LET_GO_SECONDS = 10

export interface GatewayPodOptions {
  readonly labels: Texts
  /** What `proxySettings` reads of Istio's annotations counts here, too. */
  readonly annotations?: Texts
  readonly serviceAccountName: string
  /** On which its listeners are, for people to see. */
  readonly ports: readonly {
    readonly name: string
    readonly containerPort: number
    readonly protocol?: 'TCP' | 'UDP'
  }[]
}

/** A pod that is a gateway and nothing else, as for a Gateway of the Gateway API. Passes Pod Security's `restricted`. */
export function gatewayPodTemplate(
  { labels, annotations, serviceAccountName, ports }: GatewayPodOptions,
  settings: InjectionSettings = DEFAULT_SETTINGS,
): PodTemplate {
  const spec: PodSpec = {
    serviceAccountName,
    automountServiceAccountToken: false,
    containers: [{ name: PROXY_CONTAINER, image: 'auto', ports }],
  }
  const pod: PodTemplate = { metadata: { labels, ...(annotations ? { annotations } : {}) }, spec }
  // Its annotations come from a Gateway, whose owner is told elsewhere what is wrong with it.
  const proxy = proxySettings(pod, settings, () => {})
  return asGateway({ pod, spec }, proxy, settings)
}

/** Makes a gateway of a pod that was written to become one: of its container for the proxy, or of one beside those that it has. */
export function asGateway(
  { pod, spec, workload }: { readonly pod: PodTemplate; readonly spec: PodSpec; readonly workload?: string },
  proxy: ProxySettings,
  settings: InjectionSettings,
): PodTemplate {
  const terminationDrainSeconds = drainSeconds(proxy, spec, LET_GO_SECONDS)
  const plain: Container = {
    ...proxyContainer(
      { role: 'gateway', probes: [] },
      { ...proxy, terminationDrainSeconds },
      settings,
      workloadNames(pod.metadata?.labels ?? {}, workload ?? pod.metadata?.name ?? ''),
    ),
    startupProbe: STARTUP_PROBE,
  }
  const place = spec.containers.findIndex(isCustomProxy)
  const containers =
    place < 0
      ? [...spec.containers, plain]
      : spec.containers.map((each, i) => (i === place ? withCustom(plain, each) : each))
  const { securityContext, volumes = [] } = spec
  const sysctls = securityContext?.sysctls ?? []
  const own = new Set([IDENTITY, ...proxy.volumes].map(({ name }) => name))
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: gatewayLabels(pod, workload),
      annotations: { ...pod.metadata?.annotations, ...IDENTITY_ANNOTATIONS },
    },
    spec: {
      ...spec,
      securityContext: {
        ...securityContext,
        sysctls: sysctls.some(({ name }) => name === ALL_PORTS.name) ? sysctls : [...sysctls, ALL_PORTS],
      },
      containers,
      volumes: [...volumes.filter(({ name }) => !own.has(name)), IDENTITY, ...proxy.volumes],
    },
  }
}
