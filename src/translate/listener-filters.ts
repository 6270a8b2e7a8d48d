import { create } from '@bufbuild/protobuf'
import { ListenerFilterSchema } from '#envoy/config/listener/v3/listener_components'
import { HttpInspectorSchema } from '#envoy/extensions/filters/listener/http_inspector/v3/http_inspector'
import { OriginalDstSchema } from '#envoy/extensions/filters/listener/original_dst/v3/original_dst'
import { OriginalSrcSchema } from '#envoy/extensions/filters/listener/original_src/v3/original_src'
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

/** By which the kernel knows connections that proxies make in the name of a client; Istio's. */
const CLIENTS_MARK = 1337

/** Has connections to the application come from the client's address. */
export const ORIGINAL_SOURCE = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.original_src',
  configType: { case: 'typedConfig', value: typedConfig(OriginalSrcSchema, { mark: CLIENTS_MARK }) },
})

/** Finds where a connection was going before the kernel redirected it. */
export const ORIGINAL_DESTINATION = create(ListenerFilterSchema, {
  name: 'envoy.filters.listener.original_dst',
  configType: { case: 'typedConfig', value: typedConfig(OriginalDstSchema, {}) },
})
