import { workloadNames } from '../mesh/workload-names.ts'
import { PROXY_CONTAINER, XDS_FOLDER, XDS_SOCKET, XDS_VOLUME } from '../resources/cluster-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import { BOOTSTRAP_VARIABLES } from '../translate/cluster-bootstrap.ts'
import { proxylessBootstrap } from '../translate/proxyless/bootstrap.ts'
import { isCustomProxy, withCustom } from './custom-proxy.ts'
import type { WrittenPod } from './inject.ts'
import { grpcLabels } from './labels.ts'
import { withOriginal } from './original.ts'
import { IDENTITY, proxyContainer, STARTUP_PROBE } from './proxy-container.ts'
import type { ProxySettings } from './proxy-settings.ts'
import type { Container, InjectionSettings, PodSpec } from './settings.ts'

/** gRPC's: the bootstrap itself, where `GRPC_XDS_BOOTSTRAP` names no file with one. */
const BOOTSTRAP = 'GRPC_XDS_BOOTSTRAP_CONFIG'

/** For the names of the pod in it, so that applications' own variables stay what they are. */
const PREFIX = 'WEFT_'

type Variables = NonNullable<Container['env']>

const SOCKETS: NonNullable<PodSpec['volumes']>[number] = { name: XDS_VOLUME, emptyDir: {} }
const MOUNT: NonNullable<Container['volumeMounts']>[number] = { name: XDS_VOLUME, mountPath: XDS_FOLDER }

/**
 * Lets the gRPC libraries of a pod get their configuration (`xds:///web:80`): they have a bootstrap, and an Envoy that takes what they ask on to the agent of their
 * node, with the pod's token. Nothing is redirected, and nothing stands before what the pod serves. As Istio's template `grpc-agent`, but for keys: these
 * stay out of the pod, and calls go in plaintext.
 */
export function asGrpcPod(
  { pod, spec, workload, original }: WrittenPod,
  proxy: ProxySettings,
  settings: InjectionSettings,
): PodTemplate {
  const written = withoutGrpc(spec)
  const custom = original.proxy ?? [...(written.initContainers ?? []), ...written.containers].find(isCustomProxy)
  const names = workloadNames(pod.metadata?.labels ?? {}, workload ?? pod.metadata?.name ?? '')
  const { readinessProbe: _, ...plain } = proxyContainer({ role: 'grpc', probes: [] }, proxy, settings, names)
  const relay: Container = {
    ...(custom ? withCustom(plain, custom) : plain),
    name: PROXY_CONTAINER,
    restartPolicy: 'Always',
    startupProbe: STARTUP_PROBE,
    volumeMounts: [...(plain.volumeMounts ?? []), MOUNT],
  }
  const { initContainers = [], containers, volumes = [] } = written
  const others = (each: readonly Container[]) => each.filter((container) => !isCustomProxy(container)).map(asClient)
  const injected: PodTemplate = {
    ...pod,
    metadata: { ...pod.metadata, labels: grpcLabels(pod, workload) },
    spec: {
      ...written,
      initContainers: [relay, ...others(initContainers)],
      containers: others(containers),
      volumes: [...volumes, IDENTITY, SOCKETS, ...proxy.volumes],
    },
  }
  const added = [XDS_VOLUME, ...proxy.volumes.map(({ name }) => name)]
  return withOriginal(injected, { probes: {}, ...(custom ? { proxy: custom } : {}), volumes: added }, settings)
}

/** An own bootstrap is left. */
function asClient(container: Container): Container {
  const { env = [], volumeMounts = [] } = container
  const own = env.some(({ name }) => name === BOOTSTRAP || name === 'GRPC_XDS_BOOTSTRAP')
  // Those of the pod first: only what stands before can be named.
  return {
    ...container,
    env: own ? env : [...VARIABLES, ...env],
    volumeMounts: [...volumeMounts, MOUNT],
  }
}

const inPod = (name: keyof typeof BOOTSTRAP_VARIABLES) => `$(${PREFIX}${name})`

const VARIABLES: Variables = [
  ...(['POD_NAME', 'POD_NAMESPACE', 'POD_IP'] as const).map((name) => ({
    name: PREFIX + name,
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: BOOTSTRAP_VARIABLES[name] } },
  })),
  {
    name: BOOTSTRAP,
    value: JSON.stringify(
      proxylessBootstrap(
        { pod: inPod('POD_NAME'), namespace: inPod('POD_NAMESPACE'), address: inPod('POD_IP') },
        `unix://${XDS_SOCKET}`,
      ),
    ),
  },
]

/** As the containers were before. */
function withoutGrpc(spec: PodSpec): PodSpec {
  const ours = new Set(VARIABLES.map(({ name }) => name))
  const restored = (container: Container): Container => {
    const { env, volumeMounts, ...rest } = container
    if (!volumeMounts?.some(({ name }) => name === XDS_VOLUME)) return container
    const injected = env?.some(({ name, value }) => name === BOOTSTRAP && value?.includes(XDS_SOCKET))
    const kept = { env: env?.filter(({ name }) => !injected || !ours.has(name)) ?? [] }
    const mounts = volumeMounts.filter(({ name }) => name !== XDS_VOLUME)
    return {
      ...rest,
      ...(kept.env.length > 0 ? kept : {}),
      ...(mounts.length > 0 ? { volumeMounts: mounts } : {}),
    }
  }
  const { initContainers } = spec
  return {
    ...spec,
    ...(initContainers ? { initContainers: initContainers.map(restored) } : {}),
    containers: spec.containers.map(restored),
  }
}
