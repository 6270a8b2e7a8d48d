import { create } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { HttpProtocolOptionsSchema } from '#envoy/config/core/v3/protocol'
import { type Listener, ListenerSchema } from '#envoy/config/listener/v3/listener'
import { type Filter, FilterChainSchema, FilterSchema } from '#envoy/config/listener/v3/listener_components'
import { HttpConnectionManagerSchema } from '#envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager'
import { deriveMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'
import { typedConfig } from '../typed-config.ts'

/**
 * Listeners of a gateway whose pod is told to end, as their clients are to know: every connection takes one request more, and says so in its answer. A proxy
 * takes them for other listeners than it has, and ends the connections of those in the same way. So clients who keep their connections have
 * gone elsewhere when the proxy ends, `terminationDrainDuration` later.
 */
export function draining(listeners: PersistentMap<EncodedResource>): PersistentMap<EncodedResource> {
  return drained([listeners])
}

const encode = encoder('listener', ListenerSchema)

const drained = deriveMap<[PersistentMap<EncodedResource>], [], EncodedResource>(
  'translate/gateway/draining',
  (_, [listener]) => {
    if (!listener) return undefined
    const { name, sources } = listener
    const message = listener.message as Listener
    const filterChains = message.filterChains.map((chain) =>
      create(FilterChainSchema, { ...chain, filters: chain.filters.map(lastRequest) }),
    )
    return encode({ name, sources, message: create(ListenerSchema, { ...message, filterChains }) })
  },
)

function lastRequest(filter: Filter): Filter {
  const { configType } = filter
  if (configType.case !== 'typedConfig') return filter
  const manager = anyUnpack(configType.value, HttpConnectionManagerSchema)
  if (!manager) return filter
  // Ours alone: it was just unpacked.
  manager.commonHttpProtocolOptions ??= create(HttpProtocolOptionsSchema)
  manager.commonHttpProtocolOptions.maxRequestsPerConnection = 1
  const value = typedConfig(HttpConnectionManagerSchema, manager)
  return create(FilterSchema, { name: filter.name, configType: { case: 'typedConfig', value } })
}
