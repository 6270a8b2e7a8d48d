import { type DescMessage, fromBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { ExtAuthzSchema } from '#envoy/extensions/filters/http/ext_authz/v3/ext_authz'
import { JwtAuthenticationSchema } from '#envoy/extensions/filters/http/jwt_authn/v3/config'
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '#envoy/extensions/filters/network/ext_authz/v3/ext_authz'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { TcpProxySchema } from '#envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy'
import { derive } from '../store/derive.ts'
import type { EncodedResource, ResourceType } from '../translate/encoded-resource.ts'

const none: ReadonlySet<string> = new Set()
const REFERRING: ReadonlySet<ResourceType> = new Set(['extension', 'listener', 'routes'])

/**
 * Names of the clusters to which a listener or a route configuration may send: `cluster` and `cluster_name` fields, weighted clusters
 * and mirrors, also inside the network filters of a listener
 * and in HTTP filters that come by themselves. It may hold a name that is no cluster's, never lack one.
 */
export function clustersOf(resource: EncodedResource): ReadonlySet<string> {
  return REFERRING.has(resource.type) ? clusterReferences(resource) : none
}

/** The route configuration that a scope is for; undefined where it is inline. */
export function routesOf(scope: EncodedResource): string | undefined {
  const name = (scope.message as { readonly routeConfigurationName?: unknown } | undefined)?.routeConfigurationName
  return typeof name === 'string' && name !== '' ? name : undefined
}

const clusterReferences = derive('xds/references', (resource: EncodedResource): ReadonlySet<string> => {
  const found = new Set<string>()
  collect(resource.message, found)
  return found
})

const FILTERS: ReadonlyMap<string, DescMessage> = new Map(
  [HttpConnectionManagerSchema, TcpProxySchema, ExtAuthzSchema, JwtAuthenticationSchema, NetworkExtAuthzSchema].map(
    (schema) => [`type.googleapis.com/${schema.typeName}`, schema],
  ),
)

/** Messages of protobuf-es are plain objects, and the fields that matter have telling names: no need for reflection. */
function collect(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found)
    return
  }
  const message = value as Readonly<Record<string, unknown>>
  const typeName = message['$typeName']
  if (typeName === AnySchema.typeName) {
    const { typeUrl, value: bytes } = message as unknown as Any
    const schema = FILTERS.get(typeUrl)
    if (schema) collect(fromBinary(schema, bytes), found)
    return
  }
  // A oneof is `{ case: field, value }`.
  const isCluster = message['case'] === 'cluster' || message['case'] === 'clusterName'
  if (isCluster && typeof message['value'] === 'string') found.add(message['value'])
  const isWeight = typeof typeName === 'string' && typeName.endsWith('.WeightedCluster.ClusterWeight')
  for (const [field, inner] of Object.entries(message)) {
    if (typeof inner === 'object') collect(inner, found)
    else if (typeof inner !== 'string' || inner === '') continue
    else if (field === 'cluster' || field === 'clusterName' || (isWeight && field === 'name')) found.add(inner)
  }
}
