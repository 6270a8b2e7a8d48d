import type { WorkloadNames } from '../mesh/workload-names.ts'
import {
  IDENTITY_FOLDER,
  IDENTITY_VOLUME,
  PROXY_CONTAINER,
  PROXY_PORTS,
  PROXY_UID,
  READINESS_PATH,
  ROOT_CERT_CONFIG_MAP,
  ROOT_CERT_KEY,
  ROOTS_FILE,
  TOKEN_AUDIENCE,
  TOKEN_FILE,
} from '../resources/cluster-names.ts'
import { rootsFile } from '../translate/agent-connection.ts'
import {
  BOOTSTRAP_VARIABLES,
  type ClusterBootstrapOptions,
  clusterBootstrapText,
} from '../translate/cluster-bootstrap.ts'
import { QUIET_ABOUT_WASM } from '../translate/metrics/metric-names.ts'
import { OWN_NAMES, ownNames } from '../translate/metrics/own-names.ts'
import { tracedAs } from '../translate/reporting/traced-as.ts'
import type { ProxySettings } from './proxy-settings.ts'
import type { Container, InjectionSettings, PodSpec, Texts } from './settings.ts'

/** What Pod Security's profile `restricted` asks of every container. */
const RESTRICTED: NonNullable<Container['securityContext']> = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsGroup: PROXY_UID,
  runAsNonRoot: true,
  runAsUser: PROXY_UID,
  seccompProfile: { type: 'RuntimeDefault' },
}

/** For taking connections to any address, and making them from any: capabilities that are added count for root only. The kernel knows it by its group. */
const TRANSPARENT: typeof RESTRICTED = {
  ...RESTRICTED,
  capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
  runAsNonRoot: false,
  runAsUser: 0,
}

/** Envoy, started by arguments alone; as a container beside others, with no restart policy of its own. */
export function proxyContainer(
  bootstrap: ClusterBootstrapOptions,
  proxy: ProxySettings,
  settings: InjectionSettings,
  names: WorkloadNames,
): Container {
  const { image, resources, terminationDrainSeconds = 0 } = proxy
  return {
    name: PROXY_CONTAINER,
    image,
    ...(settings.imagePullPolicy ? { imagePullPolicy: settings.imagePullPolicy } : {}),
    command: ['envoy'],
    args: envoyArguments(bootstrap, proxy),
    env: [...environment(names), ...added(proxy.environment, names)],
    ports: [{ name: 'http-envoy-prom', containerPort: PROXY_PORTS.metrics, protocol: 'TCP' }],
    resources,
    securityContext: proxy.capture.transparent && bootstrap.role === 'sidecar' ? TRANSPARENT : RESTRICTED,
    readinessProbe: { ...proxy.readiness, httpGet: READY, timeoutSeconds: 3 },
    ...(terminationDrainSeconds > 0 ? { lifecycle: { preStop: { sleep: { seconds: terminationDrainSeconds } } } } : {}),
    volumeMounts: [{ name: IDENTITY_VOLUME, mountPath: IDENTITY_FOLDER, readOnly: true }, ...proxy.volumeMounts],
  }
}

/**
 * How long a proxy goes on at least once its pod is told to end, in seconds: what the pod says, or else `usual`, as far as Kubernetes lets it, which takes no
 * hook that would outlast the pod.
 */
export function drainSeconds({ terminationDrainSeconds }: ProxySettings, spec: PodSpec, usual: number): number {
  return terminationDrainSeconds ?? Math.min(usual, spec.terminationGracePeriodSeconds ?? 30)
}

const READY = { path: READINESS_PATH, port: PROXY_PORTS.readiness }

/** Holds back what comes after the proxy until it has its configuration: for ten minutes, then it is started again. */
export const STARTUP_PROBE: NonNullable<Container['startupProbe']> = {
  httpGet: READY,
  periodSeconds: 1,
  failureThreshold: 600,
  timeoutSeconds: 3,
}

/** What its bootstrap names, and what its metrics call the workload. Its namespace is not known where a file is injected that names none. */
/** What people add; what the proxy needs itself is not theirs to change. */
function added(variables: Texts, names: WorkloadNames): NonNullable<Container['env']> {
  const own = new Set(environment(names).map(({ name }) => name))
  return Object.entries(variables).flatMap(([name, value]) => (own.has(name) ? [] : [{ name, value }]))
}

function environment(names: WorkloadNames): NonNullable<Container['env']> {
  const ofPod = (name: string, fieldPath: string) => ({
    name,
    valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } },
  })
  return [
    ...Object.entries(BOOTSTRAP_VARIABLES).map(([name, fieldPath]) => ofPod(name, fieldPath)),
    ...Object.entries(ownNames(names, '')).map(([name, value]) =>
      name === OWN_NAMES.workload_namespace ? ofPod(name, BOOTSTRAP_VARIABLES.POD_NAMESPACE) : { name, value },
    ),
    ...Object.entries(tracedAs(names, '$(POD_NAMESPACE)')).map(([name, value]) => ({ name, value })),
  ]
}

function envoyArguments(bootstrap: ClusterBootstrapOptions, proxy: ProxySettings): string[] {
  return [
    '--config-yaml',
    clusterBootstrapText(bootstrap),
    '--concurrency',
    String(proxy.concurrency),
    '--log-level',
    proxy.logLevel,
    '--component-log-level',
    [QUIET_ABOUT_WASM, ...(proxy.componentLogLevel ? [proxy.componentLogLevel] : [])].join(','),
    // As Istio has it: a listener that changed tells its connections at once to end, and lets them finish what they are doing.
    '--drain-time-s',
    String(proxy.drainSeconds),
    '--drain-strategy',
    'immediate',
    '--file-flush-interval-msec',
    '1000',
    // A container is replaced as a whole, and hot restart would want memory that is shared.
    '--disable-hot-restart',
  ]
}

const ROOTS = 'weft.dev/roots'

/** Annotations that must be on a pod with `IDENTITY`. */
export const IDENTITY_ANNOTATIONS: Texts = { [ROOTS]: rootsFile() }

/** With what the proxy proves whose it is, and knows who may ask. The kubelet keeps both current. */
export const IDENTITY: NonNullable<PodSpec['volumes']>[number] = {
  name: IDENTITY_VOLUME,
  projected: {
    sources: [
      { serviceAccountToken: { audience: TOKEN_AUDIENCE, expirationSeconds: 3600, path: TOKEN_FILE } },
      {
        downwardAPI: {
          items: [{ path: ROOTS_FILE, fieldRef: { apiVersion: 'v1', fieldPath: `metadata.annotations['${ROOTS}']` } }],
        },
      },
      { configMap: { name: ROOT_CERT_CONFIG_MAP, items: [{ key: ROOT_CERT_KEY, path: ROOT_CERT_KEY }] } },
    ],
  },
}
