import { PROXY_PORTS } from '../resources/cluster-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import type { ApplicationProbe } from '../translate/application-probes.ts'
import type { Container } from './settings.ts'

type PodSpec = NonNullable<PodTemplate['spec']>
type Probe = NonNullable<Container['livenessProbe']>
type HttpGet = NonNullable<Probe['httpGet']>

/** How a probe or hook asks. */
export type Handler = Pick<Probe, 'httpGet' | 'tcpSocket' | 'grpc'>

/** By the path at which the proxy is asked instead. */
export type OriginalHandlers = Readonly<Record<string, Handler>>

export interface RewrittenProbes {
  readonly spec: PodSpec
  readonly probes: readonly ApplicationProbe[]
  readonly originals: OriginalHandlers
}

const PREFIX = '/app-health'

/** Last part of a path at the proxy; Istio's names. */
const PROBES = { livenessProbe: 'livez', readinessProbe: 'readyz', startupProbe: 'startupz' } as const
const HOOKS = { postStart: 'poststartz', preStop: 'prestopz' } as const

/** A hook may take as long as the pod lives. */
const HOOK_SECONDS = 3600

/**
 * Has the kubelet ask the pod's proxy what it would have asked containers: it is no client of the mesh, so that under STRICT it would be refused; and a
 * connection to a redirected port is always taken, whether or not the application is there.
 * @param isCaptured whether connections to a port are redirected to the proxy; the kubelet gets to others by itself
 */
export function rewriteProbes(spec: PodSpec, isCaptured: (port: number) => boolean): RewrittenProbes {
  const probes: ApplicationProbe[] = []
  const originals: Record<string, Handler> = {}
  const change = (container: Container, kind: string, handler: Handler | undefined, timeoutSeconds: number) => {
    const path = `${PREFIX}/${container.name}/${kind}`
    const probe = handler && applicationProbe(container, path, handler, timeoutSeconds)
    if (!handler || !probe || !isCaptured(probe.port)) return handler
    const { httpGet, tcpSocket, grpc, ...rest } = handler
    probes.push(probe)
    originals[path] = {
      ...(httpGet ? { httpGet } : {}),
      ...(tcpSocket ? { tcpSocket } : {}),
      ...(grpc ? { grpc } : {}),
    }
    return { ...rest, httpGet: askProxy(path, httpGet) }
  }
  return { spec: withHandlers(spec, change), probes, originals }
}

/** Takes `rewriteProbes` back, where nobody changed anything since. */
export function restoreProbes(spec: PodSpec, originals: OriginalHandlers): PodSpec {
  return withHandlers(spec, (container, kind, handler) => {
    const path = `${PREFIX}/${container.name}/${kind}`
    const original = originals[path]
    const asks = handler?.httpGet
    if (!handler || !original || asks?.port !== PROXY_PORTS.applicationProbes || withoutQuery(asks) !== path)
      return handler
    const { httpGet: _, ...rest } = handler
    return { ...rest, ...original }
  })
}

type Change = (
  container: Container,
  kind: string,
  handler: Handler | undefined,
  timeoutSeconds: number,
) => Handler | undefined

function withHandlers(spec: PodSpec, change: Change): PodSpec {
  // Other init containers have no probes.
  const sidecars = spec.initContainers?.map((each) => (each.restartPolicy === 'Always' ? changed(each, change) : each))
  return {
    ...spec,
    ...(sidecars ? { initContainers: sidecars } : {}),
    containers: spec.containers.map((each) => changed(each, change)),
  }
}

function changed(container: Container, change: Change): Container {
  const changes: Record<string, unknown> = {}
  for (const [field, kind] of Object.entries(PROBES) as [keyof typeof PROBES, string][]) {
    const probe = container[field]
    if (probe) changes[field] = change(container, kind, probe, probe.timeoutSeconds ?? 1)
  }
  const { lifecycle } = container
  if (lifecycle) {
    const hooks = Object.entries(HOOKS) as [keyof typeof HOOKS, string][]
    const now = hooks.flatMap(([field, kind]) =>
      lifecycle[field] ? [[field, change(container, kind, lifecycle[field], HOOK_SECONDS)]] : [],
    )
    changes['lifecycle'] = { ...lifecycle, ...Object.fromEntries(now) }
  }
  return { ...container, ...changes }
}

/** Undefined where the kubelet does not ask the pod, or where the API server will refuse the pod anyway. */
function applicationProbe(
  container: Container,
  path: string,
  { httpGet, tcpSocket, grpc }: Handler,
  timeoutSeconds: number,
): ApplicationProbe | undefined {
  const port = portOf(container, httpGet?.port ?? tcpSocket?.port ?? grpc?.port)
  if (port === undefined || httpGet?.host || tcpSocket?.host) return undefined
  const common = { path, port, timeoutSeconds }
  if (httpGet)
    return {
      ...common,
      kind: httpGet.scheme?.toUpperCase() === 'HTTPS' ? 'https' : 'http',
      applicationPath: asArgument(withoutQuery(httpGet)),
      hasHost: httpGet.httpHeaders?.some(({ name }) => name.toLowerCase() === 'host') ?? false,
    }
  if (grpc) return { ...common, kind: 'grpc', service: asArgument(grpc.service ?? '') }
  return { ...common, kind: 'tcp' }
}

function portOf(container: Container, port: string | number | undefined): number | undefined {
  if (port === undefined || typeof port === 'number') return port
  const named = container.ports?.find(({ name }) => name === port)?.containerPort
  return named ?? (/^\d+$/.test(port) ? Number(port) : undefined)
}

function askProxy(path: string, original: HttpGet | undefined): HttpGet {
  const query = /\?[^#]*/.exec(original?.path ?? '')?.[0] ?? ''
  const { httpHeaders } = original ?? {}
  return { path: path + query, port: PROXY_PORTS.applicationProbes, ...(httpHeaders ? { httpHeaders } : {}) }
}

/** Its path as the kubelet sends it, without the query. */
function withoutQuery({ path = '/' }: HttpGet): string {
  const bare = path.replace(/[?#].*$/s, '')
  return bare.startsWith('/') ? bare : `/${bare}`
}

/** So that Kubernetes does not take anything in it for a variable. */
function asArgument(text: string): string {
  return text.replaceAll('$', '$$$$')
}
