type Labels = Readonly<Record<string, string>>

/** What telemetry calls a workload, as Istio does; '' where it has no such name. */
export interface WorkloadNames {
  /** Of the Deployment or the like. */
  readonly workload: string
  /** The label `app`. */
  readonly app: string
  /** The label `version`. */
  readonly version: string
  readonly canonicalService: string
  readonly canonicalRevision: string
}

/** Istio's labels for what a workload is called whatever else its labels say. */
export const CANONICAL = {
  name: 'service.istio.io/canonical-name',
  revision: 'service.istio.io/canonical-revision',
} as const

/** @param workload name of the Deployment or the like, '' where that is unknown */
export function workloadNames(labels: Labels, workload: string): WorkloadNames {
  const { app = '', version = '' } = labels
  return {
    workload,
    app,
    version,
    canonicalService: labels[CANONICAL.name] ?? labels['app.kubernetes.io/name'] ?? (app || workload),
    canonicalRevision:
      labels[CANONICAL.revision] ?? labels['app.kubernetes.io/version'] ?? (version || (workload && 'latest')),
  }
}
