import type { ProxyConfigs } from '../mesh/proxy-configs.ts'
import { workloadNames } from '../mesh/workload-names.ts'
import { CAPTURE_CONTAINER, PROXY_CONTAINER, PROXY_PORTS, PROXY_UID } from '../resources/cluster-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import type { Message } from '../resources/message.ts'
import type { FieldPath, Position } from '../resources/resource.ts'
import { INBOUND_CAPTURE_PORT, OUTBOUND_CAPTURE_PORT } from '../translate/original-destination.ts'
import { captureContainer } from './capture-container.ts'
import { isCustomProxy, withCustom } from './custom-proxy.ts'
import { decide, type NamespaceOfPod, wishOf } from './decision.ts'
import { asGateway } from './gateway-pod.ts'
import { asGrpcPod } from './grpc-pod.ts'
import { sidecarLabels } from './labels.ts'
import { type Original, readOriginal, withOriginal } from './original.ts'
import { restoreProbes, rewriteProbes } from './probes.ts'
import { drainSeconds, IDENTITY, proxyContainer, STARTUP_PROBE } from './proxy-container.ts'
import { type ProxySettings, proxySettings } from './proxy-settings.ts'
import { annotationPath, injectionMessage, type Report } from './report.ts'
import type { Container, InjectionSettings, PodSpec } from './settings.ts'

export interface InjectionRequest {
  /** A pod, or a workload's template of one; as it was written, or with a proxy of ours in it. */
  readonly pod: PodTemplate
  readonly namespace: NamespaceOfPod
  /** Name of the Deployment or the like that the pod belongs to. */
  readonly workload?: string
  /** What ProxyConfigs say of its proxy, where they are known. */
  readonly proxyConfigs?: ProxyConfigs
  /** What to call it in messages: `Deployment shop/web`. */
  readonly object: string
  /** Where fields of the pod or template were written, where that was in a file. */
  readonly locate?: (path: FieldPath) => Position
}

/** `grpc`: no proxy for its traffic, but configuration for its gRPC libraries. */
type Role = 'sidecar' | 'gateway' | 'grpc'

export type Injection =
  /** `role` says what the proxy is for. */
  | {
      readonly outcome: 'injected'
      readonly role: Role
      readonly pod: PodTemplate
      readonly messages: readonly Message[]
    }
  /** `reason` is a clause, such as `it uses the network of its node`. */
  | { readonly outcome: 'left alone'; readonly reason: string }
  /** What the pod asks for cannot be done; the messages of severity `error` say why. */
  | { readonly outcome: 'refused'; readonly messages: readonly Message[] }

/**
 * Gives a pod its proxy, unless something speaks against it. Injecting what was injected gives the same again; if containers were changed in between, it
 * is as if they had been so from the beginning.
 */
export function inject(request: InjectionRequest, settings: InjectionSettings): Injection {
  const messages: Message[] = []
  const report: Report = (told) => messages.push(injectionMessage(told, request.object, request.locate))
  const decision = decide(request.pod, request.namespace, settings)
  if (!decision.inject) return { outcome: 'left alone', reason: decision.reason }
  tellOddWish(request.pod, report)
  const { pod, original } = withoutProxy(request.pod)
  if (!pod.spec) return { outcome: 'left alone', reason: 'it has no spec' }
  const proxy = proxySettings(pod, settings, report, request.proxyConfigs)
  const role = roleOf(pod, report)
  const written = { ...request, pod, spec: pod.spec, original }
  const injected = {
    gateway: () => asGateway(written, proxy, settings),
    grpc: () => asGrpcPod(written, proxy, settings),
    sidecar: () => asSidecar(written, proxy, settings, report),
  }[role]()
  if (messages.some(({ severity }) => severity === 'error')) return { outcome: 'refused', messages }
  return { outcome: 'injected', role, pod: injected, messages }
}

/** A pod as it was written. */
export interface WrittenPod extends Pick<InjectionRequest, 'pod' | 'workload'> {
  readonly spec: PodSpec
  readonly original: Original
}

function asSidecar(
  { pod, spec, workload, original }: WrittenPod,
  proxy: ProxySettings,
  settings: InjectionSettings,
  report: Report,
): PodTemplate {
  tellConflicts(spec, report)
  const custom = original.proxy ?? [...(spec.initContainers ?? []), ...spec.containers].find(isCustomProxy)
  const application = withoutContainers(spec, isCustomProxy)
  const rewritten = proxy.rewriteProbes
    ? rewriteProbes(application, (port) => isCaptured(port, proxy))
    : { spec: application, probes: [], originals: {} }
  const terminationDrainSeconds = drainSeconds(proxy, spec, serves(spec) ? LET_GO_SECONDS : 0)
  const plain = proxyContainer(
    { role: 'sidecar', probes: rewritten.probes },
    { ...proxy, terminationDrainSeconds },
    settings,
    workloadNames(pod.metadata?.labels ?? {}, workload ?? pod.metadata?.name ?? ''),
  )
  const container: Container = {
    ...(custom ? withCustom(plain, custom) : plain),
    name: PROXY_CONTAINER,
    restartPolicy: 'Always',
    startupProbe: custom?.startupProbe ?? STARTUP_PROBE,
  }
  const first = settings.capture === 'init-container' ? [captureContainer(proxy.capture, settings)] : []
  const { initContainers = [], volumes = [] } = rewritten.spec
  const injected: PodTemplate = {
    ...pod,
    metadata: { ...pod.metadata, labels: sidecarLabels(pod, workload) },
    spec: {
      ...rewritten.spec,
      initContainers: [...first, container, ...initContainers],
      volumes: [...volumes, IDENTITY, ...proxy.volumes],
    },
  }
  const added = proxy.volumes.map(({ name }) => name)
  const before = {
    probes: rewritten.originals,
    ...(custom ? { proxy: custom } : {}),
    ...(added.length > 0 ? { volumes: added } : {}),
  }
  return withOriginal(injected, before, settings)
}

/**
 * Time for clients to notice that a pod goes, in seconds, as in Istio: until then its proxy is there to tell them that the application is not, which
 * makes them try elsewhere.
 */
const LET_GO_SECONDS = 5

/** Pods that end by themselves, as those of Jobs, are to end at once. */
function serves({ restartPolicy = 'Always' }: PodSpec): boolean {
  return restartPolicy === 'Always'
}

/** Takes a sidecar of ours out again. */
function withoutProxy(pod: PodTemplate): { readonly pod: PodTemplate; readonly original: Original } {
  const original = readOriginal(pod.metadata?.annotations ?? {})
  if (!pod.spec || !original) return { pod, original: { probes: {} } }
  const ours = ({ name }: Container) => name === PROXY_CONTAINER || name === CAPTURE_CONTAINER
  const spec = restoreProbes(withoutContainers(pod.spec, ours), original.probes)
  const mounted = new Set([IDENTITY.name, ...(original.volumes ?? [])])
  const volumes = spec.volumes?.filter(({ name }) => !mounted.has(name))
  return { pod: { ...pod, spec: { ...spec, ...(volumes ? { volumes } : {}) } }, original }
}

function withoutContainers(spec: PodSpec, which: (container: Container) => boolean): PodSpec {
  const initContainers = spec.initContainers?.filter((each) => !which(each))
  return {
    ...spec,
    ...(initContainers ? { initContainers } : {}),
    containers: spec.containers.filter((each) => !which(each)),
  }
}

/** Whether connections to a port of the pod are redirected to the proxy. */
function isCaptured(port: number, { capture }: ProxySettings): boolean {
  if (capture.inboundPorts !== '*') return capture.inboundPorts.includes(String(port))
  return !capture.exceptInboundPorts.includes(String(port))
}

const TEMPLATES = ['sidecar', 'gateway', 'grpc-agent']

function roleOf(pod: PodTemplate, report: Report): Role {
  const annotation = 'inject.istio.io/templates'
  const templates = (pod.metadata?.annotations?.[annotation] ?? 'sidecar').split(',').map((name) => name.trim())
  const unknown = templates.find((name) => !TEMPLATES.includes(name))
  if (unknown !== undefined) {
    const [problem, remedy] = [`there is no template "${unknown}"`, `write one of ${TEMPLATES.join(', ')}`]
    report({ rule: 'bad-injection-annotation', severity: 'error', path: annotationPath(annotation), problem, remedy })
  }
  if (templates.includes('grpc-agent')) return 'grpc'
  return templates.includes('gateway') ? 'gateway' : 'sidecar'
}

function tellOddWish(pod: PodTemplate, report: Report): void {
  const { labels = {}, annotations = {} } = pod.metadata ?? {}
  const wish = wishOf(labels, annotations)
  if (!wish || wish.value !== undefined) return
  report({
    rule: 'injection-annotation-ignored',
    severity: 'warning',
    path: ['metadata', labels[wish.key] ? 'labels' : 'annotations', wish.key],
    problem: `"${wish.text}" says neither yes nor no`,
    remedy: 'write "true" or "false"',
  })
}

const TAKEN: ReadonlySet<number> = new Set([OUTBOUND_CAPTURE_PORT, INBOUND_CAPTURE_PORT, ...Object.values(PROXY_PORTS)])

/** What cannot work beside a proxy. */
function tellConflicts(spec: PodSpec, report: Report): void {
  for (const [i, container] of spec.containers.entries()) {
    if (isCustomProxy(container)) continue
    const user = container.securityContext?.runAsUser ?? spec.securityContext?.runAsUser
    if (user === PROXY_UID) {
      report({
        rule: 'application-runs-as-proxy',
        severity: 'warning',
        path: ['spec', 'containers', i, 'securityContext', 'runAsUser'],
        problem: `container ${container.name} runs as user ${PROXY_UID}, by which the proxy's own connections are known: its calls go past the mesh`,
        remedy: 'let it run as another user',
      })
    }
    for (const [j, { containerPort }] of (container.ports ?? []).entries()) {
      if (!TAKEN.has(containerPort)) continue
      report({
        rule: 'port-of-proxy',
        severity: 'error',
        path: ['spec', 'containers', i, 'ports', j, 'containerPort'],
        problem: `port ${containerPort} is one that the proxy in the pod listens on`,
        remedy: 'let the container listen on another port',
      })
    }
  }
}
