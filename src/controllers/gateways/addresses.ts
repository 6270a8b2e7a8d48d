import { infrastructureName } from '../../mesh/routing/gateway-names.ts'
import type { Service } from '../../resources/core.ts'
import type { Gateway } from '../../resources/gateway-api.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import { servedGateways } from './readiness.ts'

/** An address in a Gateway's status. */
export interface GatewayAddress {
  readonly type: 'IPAddress' | 'Hostname'
  readonly value: string
}

/** Where a Gateway can be reached, and as far as it can't (yet), why: for its conditions `Accepted` and `Programmed`. */
export interface GatewayAddresses {
  readonly addresses: readonly GatewayAddress[]
  /** `UnsupportedAddress` is about `Accepted`, the others are about `Programmed`. */
  readonly problem?: {
    readonly reason: 'UnsupportedAddress' | 'AddressNotAssigned' | 'AddressNotUsable' | 'Pending'
    readonly message: string
  }
}

/** The addresses of a Gateway are those of the Service that is made for it: what a load balancer gave, or its cluster address where it is no LoadBalancer. */
export function gatewayAddresses(snapshot: Snapshot, gateway: Gateway): GatewayAddresses {
  const wanted = gateway.spec?.addresses ?? []
  const odd = wanted.find(({ type = 'IPAddress' }) => type !== 'IPAddress')
  if (odd) {
    const message = `spec.addresses asks for an address of type ${odd.type}; Weft takes type IPAddress`
    return { addresses: [], problem: { reason: 'UnsupportedAddress', message } }
  }
  const name = infrastructureName(gateway)
  const key = `${gateway.metadata.namespace}/${name}`
  const service = snapshot.get('core/Service', key)
  const addresses = service ? addressesOf(service) : []
  const missing = wanted.filter(({ value }) => value && !addresses.some((address) => address.value === value))
  if (service && missing.length > 0) {
    const message = `Service ${name} did not get ${missing.map(({ value }) => value).join(', ')} (spec.addresses): the cluster's load balancer gives one address, which it must own`
    return { addresses, problem: { reason: 'AddressNotUsable', message } }
  }
  if (addresses.length > 0) {
    if (servedGateways(snapshot).has(key)) return { addresses }
    const message = `no replica of Deployment ${name} is ready to take traffic`
    return { addresses, problem: { reason: 'Pending', message } }
  }
  const message = service
    ? `Service ${name} has no address yet: it is for the cluster's load balancer to give it one`
    : `Service ${name} is not there yet`
  return { addresses, problem: { reason: 'AddressNotAssigned', message } }
}

function addressesOf({ spec, status }: Service): readonly GatewayAddress[] {
  if (spec?.type !== 'LoadBalancer')
    return (spec?.clusterIPs ?? []).filter((ip) => ip !== 'None').map((value) => ({ type: 'IPAddress', value }))
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }): GatewayAddress[] => {
    if (ip) return [{ type: 'IPAddress', value: ip }]
    return hostname ? [{ type: 'Hostname', value: hostname }] : []
  })
}
