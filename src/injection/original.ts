import { CAPTURE_CONTAINER, PROXY_CONTAINER } from '../resources/cluster-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import type { OriginalHandlers } from './probes.ts'
import { IDENTITY, IDENTITY_ANNOTATIONS } from './proxy-container.ts'
import type { Container, InjectionSettings, Texts } from './settings.ts'

/** What injection took away, kept in an annotation, so that the pod can be looked at again as it was. */
export interface Original {
  readonly probes: OriginalHandlers
  /** The container that stood for the proxy. */
  readonly proxy?: Container
  /** Names of volumes that were added besides our own. */
  readonly volumes?: readonly string[]
}

/** Marks pods whose sidecar is ours. */
const ORIGINAL = 'weft.dev/original'

/** Istio's, which its tools show. */
const STATUS = 'sidecar.istio.io/status'

export function withOriginal(pod: PodTemplate, original: Original, settings: InjectionSettings): PodTemplate {
  const { initContainers = [], volumes = [] } = pod.spec ?? {}
  const ours = new Set([PROXY_CONTAINER, CAPTURE_CONTAINER])
  const status = {
    initContainers: initContainers.map(({ name }) => name).filter((name) => ours.has(name)),
    containers: null,
    volumes: volumes.map(({ name }) => name).filter((name) => name === IDENTITY.name),
    imagePullSecrets: null,
    revision: settings.revisions[0],
  }
  const annotations = {
    ...pod.metadata?.annotations,
    ...IDENTITY_ANNOTATIONS,
    [STATUS]: JSON.stringify(status),
    [ORIGINAL]: JSON.stringify(original),
  }
  return { ...pod, metadata: { ...pod.metadata, annotations } }
}

/** Undefined for pods without a proxy of ours. What somebody else wrote there counts as nothing. */
export function readOriginal(annotations: Texts): Original | undefined {
  const text = annotations[ORIGINAL]
  if (text === undefined) return undefined
  try {
    const { probes, proxy, volumes } = JSON.parse(text) as Partial<Original>
    return {
      probes: typeof probes === 'object' && probes !== null ? probes : {},
      ...(typeof proxy === 'object' && proxy !== null ? { proxy } : {}),
      ...(Array.isArray(volumes) ? { volumes } : {}),
    }
  } catch {
    return { probes: {} }
  }
}
