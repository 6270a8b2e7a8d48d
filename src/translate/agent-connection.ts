import { create } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, type ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { ApiVersion } from '#envoy/config/core/v3/config_source'
import { LuaSchema } from '#envoy/extensions/filters/http/lua/v3/lua'
import { UpstreamCodecSchema } from '#envoy/extensions/filters/http/upstream_codec/v3/upstream_codec'
import { SubjectAltNameMatcher_SanType } from '#envoy/extensions/transport_sockets/tls/v3/common'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { UpstreamTlsContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls'
import { HttpProtocolOptionsSchema } from '#envoy/extensions/upstreams/http/v3/http_protocol_options'
import { DiscoveryResponseSchema } from '#envoy/service/discovery/v3/discovery'
import {
  AGENT_NAME,
  IDENTITY_FOLDER,
  PORTS,
  ROOT_CERT_KEY,
  ROOTS_FILE,
  TOKEN_FILE,
} from '../resources/cluster-names.ts'
import { socketAddress } from './address.ts'
import { envoyJson } from './envoy-json.ts'
import { tlsParameters, tlsSocket } from './mtls.ts'
import { TELEMETRY_CLUSTER } from './reporting/access-log-service.ts'
import type { Init } from './routes/init.ts'
import { typedConfig } from './typed-config.ts'

/** Of the agent of the pod's node, to which proxies send what they log, too. */
export const AGENT_CLUSTER = TELEMETRY_CLUSTER

// Read for every stream, as a token is good for an hour only. What runs it is the filter chain to the agent, not one of traffic.
const SHOW_TOKEN = `function envoy_on_request(request)
  local file = io.open("${IDENTITY_FOLDER}/${TOKEN_FILE}")
  if not file then return end
  local token = file:read("*a"):gsub("%s", "")
  file:close()
  request:headers():replace("authorization", "Bearer " .. token)
end
`

const ROOTS = 'roots'

/** At the node's address, whatever that is: known by a name in its certificate. @param nodeAddress an IP address */
export function agentCluster(nodeAddress: string): Init<typeof ClusterSchema> {
  const address = socketAddress(nodeAddress, PORTS.agentProxies)
  return {
    name: AGENT_CLUSTER,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: { seconds: 2n, nanos: 0 },
    loadAssignment: {
      clusterName: AGENT_CLUSTER,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address } } }] }],
    },
    typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': PROTOCOL },
    transportSocket: tlsSocket(TLS),
  }
}

const PROTOCOL = typedConfig(HttpProtocolOptionsSchema, {
  upstreamProtocolOptions: {
    case: 'explicitHttpConfig',
    value: {
      protocolConfig: {
        case: 'http2ProtocolOptions',
        // An agent that is gone without a word, as when its node hangs, is noticed within a minute.
        value: {
          connectionKeepalive: { interval: { seconds: 30n, nanos: 0 }, timeout: { seconds: 20n, nanos: 0 } },
        },
      },
    },
  },
  httpFilters: [
    {
      name: 'envoy.filters.http.lua',
      configType: {
        case: 'typedConfig',
        value: typedConfig(LuaSchema, {
          defaultSourceCode: { specifier: { case: 'inlineString', value: SHOW_TOKEN } },
        }),
      },
    },
    {
      name: 'envoy.filters.http.upstream_codec',
      configType: { case: 'typedConfig', value: typedConfig(UpstreamCodecSchema, {}) },
    },
  ],
})

const TLS = typedConfig(UpstreamTlsContextSchema, {
  sni: AGENT_NAME,
  commonTlsContext: {
    tlsParams: tlsParameters(),
    alpnProtocols: ['h2'],
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: {
          matchTypedSubjectAltNames: [
            {
              sanType: SubjectAltNameMatcher_SanType.DNS,
              matcher: { matchPattern: { case: 'exact', value: AGENT_NAME } },
            },
          ],
        },
        validationContextSdsSecretConfig: {
          name: ROOTS,
          sdsConfig: {
            resourceApiVersion: ApiVersion.V3,
            configSourceSpecifier: { case: 'pathConfigSource', value: { path: `${IDENTITY_FOLDER}/${ROOTS_FILE}` } },
          },
        },
      },
    },
  },
})

/**
 * What `ROOTS_FILE` in the pod must hold. Envoy watches files of certificates only where a secret names them, and takes secrets with such names only from another file:
 * without it, a proxy would know its agent no more once all roots had been replaced.
 */
export function rootsFile(): string {
  const secret = typedConfig(SecretSchema, {
    name: ROOTS,
    type: {
      case: 'validationContext',
      value: {
        trustedCa: { specifier: { case: 'filename', value: `${IDENTITY_FOLDER}/${ROOT_CERT_KEY}` } },
        watchedDirectory: { path: IDENTITY_FOLDER },
      },
    },
  })
  return JSON.stringify(envoyJson(DiscoveryResponseSchema, create(DiscoveryResponseSchema, { resources: [secret] })))
}
