/** What tells one series of measurements from another: those of Istio's labels that questions are about. */
export interface SeriesLabels {
  readonly reporter: string
  readonly sourceNamespace: string
  readonly sourceWorkload: string
  readonly sourceApp: string
  readonly sourceVersion: string
  readonly sourceCluster: string
  readonly sourcePrincipal: string
  readonly namespace: string
  readonly workload: string
  readonly app: string
  readonly version: string
  readonly cluster: string
  readonly principal: string
  readonly service: string
  readonly protocol: string
  readonly code: string
  readonly flags: string
  readonly grpcStatus: string
  readonly security: string
}

/** Istio's names of the labels. */
export const ISTIO_LABELS: Readonly<Record<keyof SeriesLabels, string>> = {
  reporter: 'reporter',
  sourceNamespace: 'source_workload_namespace',
  sourceWorkload: 'source_workload',
  sourceApp: 'source_app',
  sourceVersion: 'source_version',
  sourceCluster: 'source_cluster',
  sourcePrincipal: 'source_principal',
  namespace: 'destination_workload_namespace',
  workload: 'destination_workload',
  app: 'destination_app',
  version: 'destination_version',
  cluster: 'destination_cluster',
  principal: 'destination_principal',
  service: 'destination_service',
  protocol: 'request_protocol',
  code: 'response_code',
  flags: 'response_flags',
  grpcStatus: 'grpc_response_status',
  security: 'connection_security_policy',
}

const FIELDS = Object.entries(ISTIO_LABELS) as readonly [keyof SeriesLabels, string][]
const FIELD_OF = new Map(FIELDS.map(([field, label], i) => [label, { field, i }] as const))

/** Between values in a key: no label has it. */
const BETWEEN = '\u001f'

/** The longest value that is kept, in characters: names of Kubernetes are shorter, and what is longer is nobody's. */
const LONGEST = 253

/** What is not known, in Istio's words. */
export const UNKNOWN = 'unknown'

/**
 * The key of a series, from labels by Istio's names. Others are left out: what differs in them only is one series.
 * @param get undefined or empty where there is no such label
 */
export function seriesKey(get: (label: string) => string | undefined): string {
  return FIELDS.map(([, label]) => (get(label) ?? '').slice(0, LONGEST).replaceAll(BETWEEN, '?')).join(BETWEEN)
}

/** What a key says. */
export function seriesLabels(key: string): SeriesLabels {
  const values = key.split(BETWEEN)
  return Object.fromEntries(FIELDS.map(([field], i) => [field, values[i] ?? ''])) as unknown as SeriesLabels
}

/** The name that stands for all names that there were too many of. */
const FOLDED = 'folded'

/** The series to which a measurement goes where there are too many: names of both sides are gone, what came of it is not. */
export function foldedKey(key: string): string {
  const values = key.split(BETWEEN)
  for (const label of KEPT_NAMES) values[FIELD_OF.get(label)?.i ?? 0] = FOLDED
  return values.join(BETWEEN)
}

const KEPT_NAMES = FIELDS.map(([, label]) => label).filter(
  (label) => /^(source|destination)_/.test(label) || label === 'grpc_response_status',
)
