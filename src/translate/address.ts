import type { AddressSchema } from '#envoy/config/core/v3/address'
import type { Init } from './routes/init.ts'

/** A TCP address for Envoy. `address` may be a DNS name where a cluster is resolved by DNS. */
export function socketAddress(address: string, port: number): Init<typeof AddressSchema> {
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } }
}
