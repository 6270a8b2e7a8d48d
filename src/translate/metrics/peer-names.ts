import { create } from '@bufbuild/protobuf'
import { type Filter, FilterSchema } from '#envoy/config/listener/v3/listener_components'
import type { FilterStateValueSchema } from '#envoy/extensions/filters/common/set_filter_state/v3/value'
import { ConfigSchema } from '#envoy/extensions/filters/network/set_filter_state/v3/set_filter_state'
import type { WorkloadNames } from '../../mesh/workload-names.ts'
import type { Init } from '../routes/init.ts'
import { typedConfig } from '../typed-config.ts'
import { UNKNOWN } from './own-names.ts'

/** What a proxy knows of the client of a connection by its certificate; kept with the connection under `weft.peer.NAME`. `principal`: its SPIFFE ID. */
export type PeerName = 'principal' | 'namespace' | 'workload' | 'app' | 'version' | 'service' | 'revision'

/** Where it is kept. */
export function peerKey(name: PeerName): string {
  return `weft.peer.${name}`
}

/** In this order between the marks of `MARKS`, in a certificate's first DNS name. */
const IN_CERTIFICATE: readonly PeerName[] = ['workload', 'app', 'version', 'service', 'revision']

/** The namespace of a SPIFFE ID in Istio's form. */
const NAMESPACE = `^spiffe://[^/]+/ns/([^/]+)/sa/.+$`

/** What follows each of them there. */
const MARKS = ['w0', 'a0', 'v0', 'c0', 'r0'] as const

/** What is last in the name. */
const END = 'weft'

const NAMES = `^${MARKS.map((mark) => `(.+)[.]${mark}[.]`).join('')}${END}$`

/**
 * The DNS name by which a workload's certificate tells the proxies of its servers what to call it in their metrics:
 * `reviews-v1.w0.reviews.a0.v1.v0.reviews.c0.v1.r0.weft`. It is nobody's address, and is believed because only the mesh's certificate authority can have put it there.
 * @returns undefined where the names don't make a DNS name
 */
export function certifiedNames(names: WorkloadNames): string | undefined {
  const { workload, app, version, canonicalService, canonicalRevision } = names
  const words = [workload, app, version, canonicalService, canonicalRevision].map((name) => name || UNKNOWN)
  const name = [...words.flatMap((word, i) => [word, MARKS[i]]), END].join('.')
  return name.length <= 253 && name.split('.').every((label) => LABEL.test(label)) ? name : undefined
}

const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/

const NAMES_KEPT: readonly PeerName[] = ['principal', 'namespace', ...IN_CERTIFICATE]

/**
 * A network filter that reads a client's certificate once, when the handshake is done: what it says of the client is then there for every request, and what it says
 * nothing of is `unknown`, so that no request has to ask.
 */
export const PEER_NAMES_FILTER: Filter = create(FilterSchema, {
  name: 'weft.peer_names',
  configType: {
    case: 'typedConfig',
    value: typedConfig(ConfigSchema, {
      onNewConnection: NAMES_KEPT.map((name) => kept(name, UNKNOWN)),
      onDownstreamTlsHandshake: [
        kept('principal', '%DOWNSTREAM_PEER_URI_SAN%'),
        kept('namespace', extracted('uri_san_peer_certificate', NAMESPACE, 1)),
        ...IN_CERTIFICATE.map((name, i) => kept(name, extracted('dns_san_peer_certificate', NAMES, i + 1))),
      ],
    }),
  },
})

function extracted(attribute: string, pattern: string, group: number): string {
  return `%CEL(re.extract(connection.${attribute}, '${pattern}', '\\\\${group}'))%`
}

function kept(name: PeerName, format: string): Init<typeof FilterStateValueSchema> {
  return {
    key: { case: 'objectKey', value: peerKey(name) },
    factoryKey: 'envoy.string',
    value: {
      case: 'formatString',
      value: {
        format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: format } } },
        omitEmptyValues: true,
      },
    },
    skipIfEmpty: true,
  }
}
