import { create } from '@bufbuild/protobuf'
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '#envoy/config/endpoint/v3/endpoint'
import type { LbEndpoint } from '#envoy/config/endpoint/v3/endpoint_components'
import { derive } from '../store/derive.ts'
import { type EncodedResource, encoder } from '../translate/encoded-resource.ts'

/**
 * The endpoints that a proxy should have, without those that it does not have yet; undefined where that is all of them, or none. A proxy hands endpoints
 * that come with an update of their cluster to the cluster's last version, too, in the moment before the new one takes its place: what came
 * because of the update (an endpoint that speaks no HTTP/2, or has another identity) would be called as it must not be.
 */
export const withoutNewcomers = derive(
  'xds/without-newcomers',
  (held: EncodedResource, target: EncodedResource): EncodedResource | undefined => {
    const [before, after] = [held.message as ClusterLoadAssignment, target.message as ClusterLoadAssignment]
    const known = new Set(endpointsOf(before).map(placeOf))
    const endpoints = after.endpoints
      .map((group) => ({ ...group, lbEndpoints: group.lbEndpoints.filter((endpoint) => known.has(placeOf(endpoint))) }))
      .filter(({ lbEndpoints }) => lbEndpoints.length > 0)
    const left = endpoints.reduce((sum, { lbEndpoints }) => sum + lbEndpoints.length, 0)
    if (left === 0 || left === endpointsOf(after).length) return undefined
    return encode({ ...target, message: create(ClusterLoadAssignmentSchema, { ...after, endpoints }) })
  },
)

const encode = encoder('endpoints', ClusterLoadAssignmentSchema)

function endpointsOf({ endpoints }: ClusterLoadAssignment): readonly LbEndpoint[] {
  return endpoints.flatMap(({ lbEndpoints }) => lbEndpoints)
}

function placeOf({ hostIdentifier }: LbEndpoint): string {
  const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined
  if (address?.case !== 'socketAddress') return ''
  return `${address.value.address} ${address.value.portSpecifier.value}`
}
