import { createRegistry, type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf'
import { stringify } from 'yaml'
import { file_envoy_extensions_filters_http_cors_v3_cors } from '#envoy/extensions/filters/http/cors/v3/cors'
import { file_envoy_extensions_filters_http_fault_v3_fault } from '#envoy/extensions/filters/http/fault/v3/fault'
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '#envoy/extensions/retry/host/previous_hosts/v3/previous_hosts'
import { file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config } from '#envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config'

/** The extensions that routes use, for tests that show or run routes as JSON. */
const registry = createRegistry(
  file_envoy_extensions_filters_http_cors_v3_cors,
  file_envoy_extensions_filters_http_fault_v3_fault,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config,
)

/** A message as Envoy takes it in JSON. */
export function rendered<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  return toJson(schema, message, { registry })
}

/** Messages as people read them. */
export function renderedYaml<D extends DescMessage>(schema: D, messages: readonly MessageShape<D>[]): string {
  return messages.map((message) => stringify(rendered(schema, message))).join('---\n')
}
