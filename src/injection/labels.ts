import { WELL_KNOWN } from '../mesh/model.ts'
import { CANONICAL } from '../mesh/workload-names.ts'
import type { PodTemplate } from '../resources/core.ts'
import type { Texts } from './settings.ts'

/** A pod's labels, with those by which others know that it takes mesh mTLS, and what to call it. */
export function sidecarLabels(pod: PodTemplate, workload: string | undefined): Texts {
  return { ...canonical(pod, workload), ...pod.metadata?.labels, [WELL_KNOWN.tlsMode]: 'istio' }
}

/** Those of a pod that is a gateway. */
export function gatewayLabels(pod: PodTemplate, workload: string | undefined): Texts {
  return { ...canonical(pod, workload), ...pod.metadata?.labels, [WELL_KNOWN.proxyRole]: 'gateway' }
}

/** Those of a pod whose gRPC library does what a proxy does. */
export function grpcLabels(pod: PodTemplate, workload: string | undefined): Texts {
  return { ...canonical(pod, workload), ...pod.metadata?.labels, [WELL_KNOWN.proxyRole]: 'grpc' }
}

/** What telemetry calls a workload: by the labels that Istio takes it from, in its order. */
function canonical(pod: PodTemplate, workload: string | undefined): Texts {
  const labels = pod.metadata?.labels ?? {}
  const name = labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload ?? pod.metadata?.name
  const revision = labels['app.kubernetes.io/version'] ?? labels['version'] ?? 'latest'
  return { ...(name ? { [CANONICAL.name]: labelValue(name) } : {}), [CANONICAL.revision]: revision }
}

/** A name may be longer than a label. */
function labelValue(name: string): string {
  return name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, '')
}
