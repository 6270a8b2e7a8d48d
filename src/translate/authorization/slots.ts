import type { DescMessage } from '@bufbuild/protobuf'
import type { FilterSchema } from '#envoy/config/listener/v3/listener_components'
import { ExtAuthzSchema } from '#envoy/extensions/filters/http/ext_authz/v3/ext_authz'
import { JwtAuthenticationSchema } from '#envoy/extensions/filters/http/jwt_authn/v3/config'
import { RBACSchema } from '#envoy/extensions/filters/http/rbac/v3/rbac'
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '#envoy/extensions/filters/network/ext_authz/v3/ext_authz'
import type { HttpFilterSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { RBACSchema as NetworkRBACSchema } from '#envoy/extensions/filters/network/rbac/v3/rbac'
import { ADS } from '../config-source.ts'
import type { Init } from '../routes/init.ts'

// Every listener that policies can be for has these filters from the start, as references to what comes by extension discovery. So a policy comes
// into force at once, for requests on open connections too, and no listener changes: changed filter chains would be drained.

/** HTTP filters, in the order in which they run; by Istio's, external authorizers come before tokens are verified. */
export const HTTP_SLOTS = {
  /** Finds requests that an external authorizer is to be asked about. */
  select: 'weft.authorization.select',
  /** Asks it; denies, where there is none to ask. */
  external: 'weft.authorization.external',
  authentication: 'weft.request_authentication',
  deny: 'weft.authorization.deny',
  audit: 'weft.authorization.audit',
  allow: 'weft.authorization.allow',
} as const

/** The same for connections that are not HTTP. */
export const NETWORK_SLOTS = {
  select: 'weft.authorization.tcp.select',
  external: 'weft.authorization.tcp.external',
  deny: 'weft.authorization.tcp.deny',
  audit: 'weft.authorization.tcp.audit',
  allow: 'weft.authorization.tcp.allow',
} as const

/** Types that the filter of a slot can be of: which one, the policies decide. */
const HTTP_TYPES: Readonly<Record<keyof typeof HTTP_SLOTS, readonly DescMessage[]>> = {
  select: [RBACSchema],
  external: [RBACSchema, ExtAuthzSchema],
  authentication: [JwtAuthenticationSchema],
  deny: [RBACSchema],
  audit: [RBACSchema],
  allow: [RBACSchema],
}
const NETWORK_TYPES: Readonly<Record<keyof typeof NETWORK_SLOTS, readonly DescMessage[]>> = {
  select: [NetworkRBACSchema],
  external: [NetworkRBACSchema, NetworkExtAuthzSchema],
  deny: [NetworkRBACSchema],
  audit: [NetworkRBACSchema],
  allow: [NetworkRBACSchema],
}

/** The HTTP filters that policies fill. */
export const HTTP_POLICY_FILTERS: readonly Init<typeof HttpFilterSchema>[] = references(HTTP_SLOTS, HTTP_TYPES)

/** The network filters that policies fill, for connections that are not HTTP. */
export const NETWORK_POLICY_FILTERS: readonly Init<typeof FilterSchema>[] = references(NETWORK_SLOTS, NETWORK_TYPES)

function references<Slot extends string>(
  slots: Readonly<Record<Slot, string>>,
  types: Readonly<Record<Slot, readonly DescMessage[]>>,
) {
  return Object.entries<string>(slots).map(([slot, name]) => ({
    name,
    configType: {
      case: 'configDiscovery' as const,
      value: {
        configSource: ADS,
        typeUrls: types[slot as Slot].map(({ typeName }) => `type.googleapis.com/${typeName}`),
      },
    },
  }))
}
