import { createHash } from 'node:crypto'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { create, toBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import type { Resource } from '../resources/resource.ts'
import { derive, joined } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'

/** The kinds of resources that a proxy subscribes to, in the order in which additions are safe: make before break. */
export const RESOURCE_TYPES = [
  'cluster',
  'endpoints',
  'extension',
  'listener',
  'scopedRoutes',
  'routes',
  'secret',
] as const
export type ResourceType = (typeof RESOURCE_TYPES)[number]

export const TYPE_URLS: Readonly<Record<ResourceType, string>> = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  extension: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  scopedRoutes: 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
}

/** An Envoy resource as a message, with the objects that it was made from: a NACK is reported against them. */
export interface EnvoyResource<M = unknown> {
  readonly name: string
  readonly message: M
  /** The most specific first: a route configuration names its VirtualService before the Service. */
  readonly sources: readonly Resource[]
}

/** The same, ready to be sent. */
export interface EncodedResource extends EnvoyResource {
  readonly type: ResourceType
  /** Hash of the bytes: the same configuration has the same version after a restart of the server, so nothing is sent again. */
  readonly version: string
  /** The message in a serialized google.protobuf.Any. */
  readonly any: Uint8Array
  /**
   * Why the message cannot be serialized, where that is so (a negative number for an unsigned field): then `any` is empty, and it is as if
   * every proxy had refused the resource. Nothing else suffers from it.
   */
  readonly problem?: string
}

/**
 * All that one proxy may see. A type's resources are spread over layers with disjoint names, so that what many proxies share
 * stays one map for all of them. Equal layers are the same object, which makes "nothing changed" a comparison of pointers.
 */
export type ProxyResources = Readonly<Partial<Record<ResourceType, readonly PersistentMap<EncodedResource>[]>>>

/**
 * Serializes a resource, once for each message, also where several resources have the same one: the count of `encode/TYPE` in `derivations` is the number of
 * encodings.
 */
export function encoder<D extends DescMessage>(
  type: ResourceType,
  schema: D,
): (resource: EnvoyResource<MessageShape<D>>) => EncodedResource {
  const bytesOf = derive(`encode/${type}`, (message: MessageShape<D>): Bytes => {
    let value: Uint8Array
    try {
      value = toBinary(schema, message)
    } catch (error) {
      return { type, version: hashOf(plainText(message)), any: NO_BYTES, problem: (error as Error).message }
    }
    const any = toBinary(AnySchema, create(AnySchema, { typeUrl: TYPE_URLS[type], value }))
    return { type, version: hashOf(any), any }
  })
  return joined((resource) => ({ ...resource, ...bytesOf(resource.message) }))
}

type Bytes = Omit<EncodedResource, keyof EnvoyResource>

const NO_BYTES = new Uint8Array()

function hashOf(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('base64url').slice(0, 16)
}

/** The same for equal messages, also for those that have no bytes. */
function plainText(message: unknown): string {
  return JSON.stringify(message, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}
