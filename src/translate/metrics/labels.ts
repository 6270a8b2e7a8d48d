import { ENDPOINT_KEYS, METADATA, SERVICE_KEYS } from './metadata.ts'
import { CLUSTER_NAME, OWN_NAMES, UNKNOWN, UNKNOWN_VARIABLE } from './own-names.ts'
import { type PeerName, peerKey } from './peer-names.ts'

/** Whose view of a request a metric is, as Istio's label `reporter` has it, and how it knows who the other is. */
export type Reporter =
  /** The proxy of the client, or a gateway. */
  | { readonly side: 'source' }
  /** The proxy of the server. */
  | {
      readonly side: 'destination'
      /** How the client is known: by a certificate of the mesh, or not at all. */
      readonly security: 'mutual_tls' | 'none'
    }

/** Labels of a metric with Envoy's formats for their values. */
export type Labels = Readonly<Record<string, string>>

/** Istio's labels that tell who called whom: the same for requests and for connections. */
export function peerLabels(reporter: Reporter): Labels {
  return reporter.side === 'source' ? seenFromSource() : seenFromDestination(reporter)
}

function seenFromSource(): Labels {
  const { workload, app, version, service, revision } = ENDPOINT_KEYS
  return {
    reporter: 'source',
    ...own('source'),
    source_principal: orUnknown(['UPSTREAM_LOCAL_URI_SAN']),
    destination_workload: ofEndpoint(workload),
    destination_workload_namespace: ofService('namespace'),
    destination_app: ofEndpoint(app),
    destination_version: ofEndpoint(version),
    destination_canonical_service: ofEndpoint(service, app),
    destination_canonical_revision: ofEndpoint(revision, version),
    destination_cluster: CLUSTER_NAME,
    destination_principal: orUnknown(['UPSTREAM_PEER_URI_SAN']),
    destination_service: ofService('host'),
    destination_service_name: ofService('name'),
    destination_service_namespace: ofService('namespace'),
    // As Istio says: a client's proxy does not know which policy its server was under.
    connection_security_policy: UNKNOWN,
  }
}

function seenFromDestination({ security }: Extract<Reporter, { side: 'destination' }>): Labels {
  const known = security === 'mutual_tls'
  const peer = (name: PeerName) => (known ? `%FILTER_STATE(${peerKey(name)}:PLAIN)%` : UNKNOWN)
  return {
    reporter: 'destination',
    source_workload: peer('workload'),
    source_workload_namespace: peer('namespace'),
    source_app: peer('app'),
    source_version: peer('version'),
    source_canonical_service: peer('service'),
    source_canonical_revision: peer('revision'),
    source_cluster: known ? CLUSTER_NAME : UNKNOWN,
    source_principal: peer('principal'),
    ...own('destination'),
    // A certificate of the mesh always has one.
    destination_principal: known ? '%DOWNSTREAM_LOCAL_URI_SAN%' : UNKNOWN,
    destination_service: ofService('host'),
    destination_service_name: ofService('name'),
    destination_service_namespace: ofService('namespace'),
    connection_security_policy: security,
  }
}

function own(side: 'source' | 'destination'): Labels {
  return Object.fromEntries(
    Object.entries(OWN_NAMES).map(([name, variable]) => [`${side}_${name}`, `%ENVIRONMENT(${variable})%`]),
  )
}

function ofEndpoint(...keys: readonly string[]): string {
  return orUnknown(...keys.map((key): Command => ['UPSTREAM_METADATA', `${METADATA}:${key}`]))
}

function ofService(key: keyof typeof SERVICE_KEYS): string {
  return orUnknown(['CLUSTER_METADATA', `${METADATA}:${SERVICE_KEYS[key]}`])
}

type Command = readonly [command: string, param?: string]

/** What the first command says that says anything. */
function orUnknown(...commands: readonly Command[]): string {
  const operators = [...commands, ['ENVIRONMENT', UNKNOWN_VARIABLE] as const].map(([command, param]) => ({
    command,
    ...(param === undefined ? {} : { param }),
  }))
  return `%COALESCE(${JSON.stringify({ operators })})%`
}
