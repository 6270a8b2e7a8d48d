import type { WorkloadNames } from '../../mesh/workload-names.ts'

/**
 * Environment variables from which a proxy takes what its own workload is called. They are not in its configuration, so that listeners are the same for
 * all workloads.
 */
export const OWN_NAMES = {
  workload: 'WEFT_WORKLOAD',
  workload_namespace: 'WEFT_NAMESPACE',
  app: 'WEFT_APP',
  version: 'WEFT_VERSION',
  canonical_service: 'WEFT_CANONICAL_SERVICE',
  canonical_revision: 'WEFT_CANONICAL_REVISION',
  cluster: 'WEFT_CLUSTER',
} as const

/** Says `UNKNOWN`, for formats that need a word to fall back on: Envoy has no other way to write one there. */
export const UNKNOWN_VARIABLE = 'WEFT_UNKNOWN'

/** Istio's word for what is not known. */
export const UNKNOWN = 'unknown'

/** Istio's name of a cluster that was given none. */
export const CLUSTER_NAME = 'Kubernetes'

/** The environment of a workload's proxy. */
export function ownNames(names: WorkloadNames, namespace: string): Readonly<Record<string, string>> {
  return {
    [OWN_NAMES.workload]: names.workload || UNKNOWN,
    [OWN_NAMES.workload_namespace]: namespace || UNKNOWN,
    [OWN_NAMES.app]: names.app || UNKNOWN,
    [OWN_NAMES.version]: names.version || UNKNOWN,
    [OWN_NAMES.canonical_service]: names.canonicalService || UNKNOWN,
    [OWN_NAMES.canonical_revision]: names.canonicalRevision || UNKNOWN,
    [OWN_NAMES.cluster]: CLUSTER_NAME,
    [UNKNOWN_VARIABLE]: UNKNOWN,
  }
}
