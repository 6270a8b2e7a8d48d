import { create } from '@bufbuild/protobuf'
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt'
import type {
  RouteAction_RequestMirrorPolicySchema,
  RouteActionSchema,
  WeightedCluster_ClusterWeightSchema,
} from '#envoy/config/route/v3/route_components'
import type { ConnectionSettings } from './connection-settings.ts'
import { isZero } from './duration.ts'
import { runtimeFraction } from './fraction.ts'
import { type HeaderMutation, headerFields, mergeHeaderMutations } from './header-mutation.ts'
import type { Init } from './init.ts'

export type RouteActionInit = Init<typeof RouteActionSchema>
type ClusterWeightInit = Init<typeof WeightedCluster_ClusterWeightSchema>
type MirrorInit = Init<typeof RouteAction_RequestMirrorPolicySchema>

/** A cluster that requests go to, with its share of them. */
export interface WeightedTarget {
  readonly cluster: string
  /** Relative to the others; 0 for none. */
  readonly weight: number
  /** Only for the requests that go to it. */
  readonly headers: HeaderMutation
  /** How connections to it are passed on, where that is said. */
  readonly connection?: ConnectionSettings
  /** The port of whatever host a TLS connection asks for, where it is resolved on the way. */
  readonly resolvedPort?: number
}

/**
 * The part of a route's action that says where requests go, and the headers that then remain for the route itself: a single target's are the
 * route's. Undefined when no target has a weight.
 */
export function clusterAction(
  targets: readonly WeightedTarget[],
  routeHeaders: HeaderMutation,
): { readonly action: RouteActionInit; readonly headers: HeaderMutation } | undefined {
  const used = targets.filter((target) => target.weight > 0)
  const [only] = used
  if (!only) return undefined
  if (used.length === 1) {
    const headers = mergeHeaderMutations(only.headers, routeHeaders)
    return { action: { clusterSpecifier: { case: 'cluster', value: only.cluster }, ...hostRewrite(headers) }, headers }
  }
  return {
    action: {
      clusterSpecifier: { case: 'weightedClusters', value: { clusters: used.map(clusterWeight) } },
      ...hostRewrite(routeHeaders),
    },
    headers: routeHeaders,
  }
}

function clusterWeight({ cluster, weight, headers }: WeightedTarget): ClusterWeightInit {
  return { name: cluster, weight, ...headerFields(headers), ...hostRewrite(headers) }
}

function hostRewrite({ authority }: HeaderMutation) {
  if (authority === undefined) return {}
  return { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } } as const
}

/**
 * No timeout where none is asked for: a gRPC client's own `grpc-timeout` then travels on, and the client goes by it. Within a timeout it counts
 * too. That is said by `max_grpc_timeout`, as with Istio: of a route with its successor, `max_stream_duration`, Envoy ignores the timeout. Envoy
 * warns of it in its log, so it stands only where it matters.
 */
export function timeouts(timeout: Duration | undefined): RouteActionInit {
  return timeout && !isZero(timeout) ? { timeout, maxGrpcTimeout: timeout } : { timeout: NO_TIMEOUT }
}

const NO_TIMEOUT = create(DurationSchema)

/** Copies of `percent` of the requests go to `cluster` too; its responses are dropped. */
export function mirrorPolicy(cluster: string, percent: number): MirrorInit {
  return { cluster, runtimeFraction: runtimeFraction(percent), traceSampled: false }
}
