import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { create } from '@bufbuild/protobuf'
import type { AddressSchema } from '#envoy/config/core/v3/address'
import { AdditionalAddressSchema, type Listener } from '#envoy/config/listener/v3/listener'
import type { Init } from './routes/init.ts'

/** Connections of one family find no listener that is at an address of the other. */
export type AddressFamily = 'IPv4' | 'IPv6'

/** Stands for all addresses of a family. */
export const ANY_ADDRESS: Readonly<Record<AddressFamily, string>> = { IPv4: '0.0.0.0', IPv6: '::' }

/** Lengths of prefixes that hold one address. */
export const WHOLE: Readonly<Record<AddressFamily, string>> = { IPv4: '32', IPv6: '128' }

/** A TCP address for Envoy. `address` may be a DNS name where a cluster is resolved by DNS. */
export function socketAddress(address: string, port: number): Init<typeof AddressSchema> {
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } }
}

/** An address of the family, as Envoy writes it itself (two listeners at one address are refused); undefined where it is none. */
export function addressOf(text: string, family: AddressFamily): string | undefined {
  if (family === 'IPv4') return isIPv4(text) ? text : undefined
  return isIPv6(text) ? new SocketAddress({ address: text, family: 'ipv6' }).address : undefined
}

/**
 * Has a listener at all IPv4 addresses listen at those of IPv6, too: with a socket of its own, by which addresses stay of the family that they are. Changes
 * `listener`, and gives it back.
 */
export function andIPv6(listener: Listener): Listener {
  const { address } = listener.address ?? {}
  if (address?.case !== 'socketAddress' || address.value.address !== ANY_ADDRESS.IPv4) return listener
  const second = { case: 'socketAddress', value: { ...address.value, address: ANY_ADDRESS.IPv6 } } as const
  listener.additionalAddresses.push(create(AdditionalAddressSchema, { address: { address: second } }))
  return listener
}
