import { create } from '@bufbuild/protobuf'
import { ListenerFilterSchema } from '#envoy/config/listener/v3/listener_components'
import { HttpInspectorSchema } from '#envoy/extensions/filters/listener/http_inspector/v3/http_inspector'
import { OriginalDstSchema } from '#envoy/extensions/filters/listener/original_dst/v3/original_dst'
import { TlsInspectorSchema } from '#envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector'
import { typedConfig } from './typed-config.ts'

/** Finds TLS, the server name and the ALPN names in it. */
export const TLS_INSPECTOR = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { case: 'typedConfig', value: typedConfig(TlsInspectorSchema, {}) },
})

/** Finds HTTP in plaintext. */
export const HTTP_INSPECTOR = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.http_inspector',
  configType: { case: 'typedConfig', value: typedConfig(HttpInspectorSchema, {}) },
})

/** Finds where a connection was going before the kernel redirected it. */
export const ORIGINAL_DESTINATION = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.original_dst',
  configType: { case: 'typedConfig', value: typedConfig(OriginalDstSchema, {}) },
})
