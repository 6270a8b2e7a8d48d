import { isIPv4, isIPv6 } from 'node:net'
import { serviceOfHost } from '../resources/host.ts'
import { KIND } from '../resources/resource.ts'
import { deriveFlatMap, deriveMap } from '../store/derive.ts'
import type { PersistentMap } from '../store/persistent-map.ts'
import type { Snapshot } from '../store/snapshot.ts'
import type { Service } from './model.ts'
import { services } from './services.ts'

/**
 * Names that only the mesh knows addresses of, with these: hosts of ServiceEntries that a namespace sees. One without addresses gets one from 240.240.0.0/16,
 * as in Istio, where nobody is: what is sent there the proxy tells apart by host or TLS server name. A cluster's own DNS knows the hosts of Services; outside, where that is not
 * asked, the mesh's answer for those that have addresses, in all their forms.
 * @param ipv6 whether who asks has IPv6 addresses, too: then made-up addresses are of both families, the others from 2001:2::/48, which is for test networks (RFC 5180)
 * @param outside whether who asks is outside of clusters
 */
export function resolvableNames(
  snapshot: Snapshot,
  namespace: string,
  ipv6: boolean,
  outside = false,
): PersistentMap<readonly string[]> {
  const names = namesFor([services(snapshot)], namespace, ipv6, outside)
  return outside ? withShortNames([names], namespace) : names
}

/** `reviews.default.svc` and the like: there are no search domains outside. */
const withShortNames = deriveFlatMap<[PersistentMap<readonly string[]>], [string], readonly string[]>(
  'mesh/resolvable-names/short',
  (host, [addresses], namespace) => {
    if (!addresses) return []
    const service = serviceOfHost(host)
    if (!service) return [[host, addresses]]
    const { name, namespace: own } = service
    const names = [host, `${name}.${own}.svc`, `${name}.${own}`, ...(own === namespace ? [name] : [])]
    return names.map((each) => [each, addresses] as const)
  },
)

const namesFor = deriveMap<[PersistentMap<Service>], [string, boolean, boolean], readonly string[]>(
  'mesh/resolvable-names',
  (host, [service], namespace, ipv6, outside) => {
    if (!service) return undefined
    if (service.resource[KIND] !== 'networking.istio.io/ServiceEntry' && !(outside && service.addresses.length > 0))
      return undefined
    if (!service.exportTo.some((to) => to === '*' || to === namespace)) return undefined
    const ofIPv4 = service.addresses.map((address) => address.replace(/\/32$/, '')).filter((each) => isIPv4(each))
    const ofIPv6 = service.addresses.map((address) => address.replace(/\/128$/, '')).filter((each) => isIPv6(each))
    const addresses = ipv6 ? [...ofIPv4, ...(ofIPv6.length > 0 ? ofIPv6 : ofIPv4.map(mapped))] : ofIPv4
    if (addresses.length > 0) return host === '*' ? undefined : addresses
    // Of a range there is no one address, and what goes to its original destination needs the real one.
    if (service.addresses.length > 0 || service.resolution === 'passthrough' || host.startsWith('*')) return undefined
    const place = madeUpPlace(host)
    return [`240.240.${place >> 8}.${place & 0xff}`, ...(ipv6 ? [`2001:2::${place.toString(16)}`] : [])]
  },
)

/**
 * The IPv4 address to those who ask for IPv6 ones: the kernel takes it for what it is. Without any, proxies say that there is no such name at all, and many
 * resolvers believe the first who says so.
 */
function mapped(address: string): string {
  return `::ffff:${address}`
}

/** From 1 to 65534, always the same for a host. Two hosts may have one. */
function madeUpPlace(host: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(host)) hash = Math.imul(hash ^ byte, 0x01000193)
  return 1 + (((hash ^ (hash >>> 16)) & 0xffff) % 0xfffe)
}
