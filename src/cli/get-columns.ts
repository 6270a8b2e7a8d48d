import type { KindId, KindTypes } from '../resources/kinds.ts'
import type { Resource } from '../resources/resource.ts'

/** What `weft get` shows of the objects of a kind, beside their names. */
export interface Column<R = Resource> {
  readonly heading: string
  /** Shown with `-o wide` only. */
  readonly wide?: boolean
  /** Left out where it is empty for all objects. */
  readonly optional?: true
  /** '' where there is nothing. */
  readonly value: (object: R) => string
}

/** As kubectl shows the kinds, as far as it can be told without a cluster. */
const COLUMNS: { readonly [K in KindId]?: readonly Column<KindTypes[K]>[] } = {
  'core/Pod': [
    {
      // A server on a cluster doesn't follow conditions of pods: readiness comes to it by EndpointSlices.
      heading: 'READY',
      optional: true,
      value: ({ status }) => condition(status?.conditions, 'Ready'),
    },
    {
      heading: 'STATUS',
      value: ({ metadata, status }) => (metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    },
    { heading: 'IP', value: ({ status }) => status?.podIP ?? '' },
    { heading: 'SERVICE-ACCOUNT', wide: true, value: ({ spec }) => spec?.serviceAccountName ?? 'default' },
    {
      heading: 'APP-IP',
      wide: true,
      optional: true,
      value: ({ metadata }) => metadata.annotations?.['weft.dev/app-address'] ?? '',
    },
    { heading: 'NODE', wide: true, value: ({ spec }) => spec?.nodeName ?? '' },
    { heading: 'LABELS', wide: true, value: ({ metadata }) => pairs(metadata.labels) },
  ],
  'core/Service': [
    { heading: 'TYPE', value: ({ spec }) => spec?.type ?? 'ClusterIP' },
    { heading: 'CLUSTER-IP', value: ({ spec }) => spec?.clusterIP ?? '' },
    {
      heading: 'PORTS',
      value: ({ spec }) =>
        list(spec?.ports?.map(({ name, port, protocol = 'TCP' }) => `${name ? `${name}:` : ''}${port}/${protocol}`)),
    },
    { heading: 'SELECTOR', wide: true, value: ({ spec }) => pairs(spec?.selector) },
  ],
  'apps/Deployment': [
    { heading: 'REPLICAS', value: ({ spec }) => String(spec?.replicas ?? 1) },
    {
      heading: 'IMAGES',
      wide: true,
      value: ({ spec }) => list(spec?.template.spec?.containers.map(({ image = '' }) => image)),
    },
    { heading: 'SELECTOR', wide: true, value: ({ spec }) => pairs(spec?.selector.matchLabels) },
  ],
  'discovery.k8s.io/EndpointSlice': [
    { heading: 'PORTS', value: ({ ports }) => list(ports?.map(({ port }) => String(port ?? ''))) },
    { heading: 'ENDPOINTS', value: ({ endpoints }) => list(endpoints?.flatMap(({ addresses }) => addresses ?? [])) },
  ],
  'networking.istio.io/VirtualService': [
    { heading: 'GATEWAYS', value: ({ spec }) => list(spec?.gateways) },
    { heading: 'HOSTS', value: ({ spec }) => list(spec?.hosts) },
  ],
  'networking.istio.io/DestinationRule': [
    { heading: 'HOST', value: ({ spec }) => spec?.host ?? '' },
    { heading: 'SUBSETS', value: ({ spec }) => list(spec?.subsets?.map(({ name }) => name)) },
  ],
  'networking.istio.io/Gateway': [
    { heading: 'SELECTOR', value: ({ spec }) => pairs(spec?.selector) },
    {
      heading: 'PORTS',
      value: ({ spec }) => list(spec?.servers?.map(({ port }) => `${port.number}/${port.protocol}`)),
    },
    { heading: 'HOSTS', value: ({ spec }) => list(spec?.servers?.flatMap(({ hosts }) => hosts)) },
  ],
  'networking.istio.io/ServiceEntry': [
    { heading: 'HOSTS', value: ({ spec }) => list(spec?.hosts) },
    { heading: 'LOCATION', value: ({ spec }) => spec?.location ?? 'MESH_EXTERNAL' },
    { heading: 'RESOLUTION', value: ({ spec }) => spec?.resolution ?? 'NONE' },
  ],
  'security.istio.io/PeerAuthentication': [
    { heading: 'MODE', value: ({ spec }) => spec?.mtls?.mode ?? 'UNSET' },
    { heading: 'SELECTOR', value: ({ spec }) => pairs(spec?.selector?.matchLabels) },
  ],
  'gateway.networking.k8s.io/Gateway': [
    { heading: 'CLASS', value: ({ spec }) => spec?.gatewayClassName ?? '' },
    { heading: 'PORTS', value: ({ spec }) => list(spec?.listeners.map(({ port, protocol }) => `${port}/${protocol}`)) },
  ],
  'gateway.networking.k8s.io/HTTPRoute': [
    { heading: 'HOSTNAMES', value: ({ spec }) => list(spec?.hostnames) },
    {
      heading: 'PARENTS',
      value: ({ spec }) => list(spec?.parentRefs?.map(({ kind = 'Gateway', name }) => `${kind} ${name}`)),
    },
  ],
}

export function columnsOf(kind: KindId): readonly Column[] {
  return (COLUMNS[kind] ?? []) as readonly Column[]
}

function list(items: readonly string[] | undefined): string {
  return [...new Set(items ?? [])].join(',')
}

function pairs(labels: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

function condition(
  conditions: readonly { readonly type?: string; readonly status?: string }[] | undefined,
  type: string,
): string {
  if (!conditions) return ''
  return conditions.some((entry) => entry.type === type && entry.status === 'True') ? 'yes' : 'no'
}
