import { create } from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'

const SCOPE_FILE = 'envoy/type/v3/scope.proto'
const STATS_FILE = 'envoy/extensions/access_loggers/stats/v3/stats.proto'
const FILTER_STATE_FILE = 'envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.proto'
const OTLP_LOGS_FILE = 'envoy/extensions/access_loggers/open_telemetry/v3/logs_service.proto'
const WRAPPERS_FILE = 'google/protobuf/wrappers.proto'

/** Names all that is added, so that what was generated without is known to be old. */
export const NEWER_FIELDS =
  'stats_scope for stat_prefix, on_downstream_tls_handshake, grpc_service for common_config of OTLP logs'

/**
 * Adds what Envoy 1.40 takes and the descriptors do not know yet: `envoy.type.v3.Scope` with `stats_scope` of the access logger that counts, and
 * `on_downstream_tls_handshake` of the network filter that sets filter state, and what stands in the place of `common_config` of access logs as OTLP.
 * @throws Error where they know any of it by now: then it need not be added
 */
export function addNewerFields(files: Map<string, FileDescriptorProto>): void {
  if (files.has(SCOPE_FILE)) throw new Error(`the descriptors have ${SCOPE_FILE} now: it need not be added to them`)
  files.set(
    SCOPE_FILE,
    create(FileDescriptorProtoSchema, {
      name: SCOPE_FILE,
      package: 'envoy.type.v3',
      syntax: 'proto3',
      dependency: [WRAPPERS_FILE],
      messageType: [
        {
          name: 'Scope',
          field: [
            field('max_counters', 1, MESSAGE, '.google.protobuf.UInt32Value'),
            field('max_gauges', 2, MESSAGE, '.google.protobuf.UInt32Value'),
            field('max_histograms', 3, MESSAGE, '.google.protobuf.UInt32Value'),
            field('enable_eviction', 4, BOOL),
            field('prefix', 5, STRING),
            field('sharing_name', 6, STRING),
          ],
        },
      ],
    }),
  )
  files.get(STATS_FILE)?.dependency.push(SCOPE_FILE)
  // Either of the two is enough now: that it is not empty is no longer asked.
  const prefix = configOf(files, STATS_FILE).field.find(({ name }) => name === 'stat_prefix')
  if (prefix) delete prefix.options
  addTo(files, STATS_FILE, field('stats_scope', 6, MESSAGE, '.envoy.type.v3.Scope'))
  addTo(
    files,
    FILTER_STATE_FILE,
    repeated(
      field(
        'on_downstream_tls_handshake',
        2,
        MESSAGE,
        '.envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue',
      ),
    ),
  )
  files
    .get(OTLP_LOGS_FILE)
    ?.dependency.push('envoy/config/core/v3/grpc_service.proto', 'google/protobuf/duration.proto')
  const common = configOf(files, OTLP_LOGS_FILE, 'OpenTelemetryAccessLogConfig').field.find(
    ({ name }) => name === 'common_config',
  )
  if (common) delete common.options
  for (const added of [
    field('grpc_service', 9, MESSAGE, '.envoy.config.core.v3.GrpcService'),
    field('log_name', 10, STRING),
    field('buffer_flush_interval', 11, MESSAGE, '.google.protobuf.Duration'),
  ])
    addTo(files, OTLP_LOGS_FILE, added, 'OpenTelemetryAccessLogConfig')
}

const { BOOL, STRING, MESSAGE } = FieldDescriptorProto_Type

function field(name: string, number: number, type: FieldDescriptorProto_Type, typeName = ''): FieldDescriptorProto {
  return create(FieldDescriptorProtoSchema, {
    name,
    number,
    type,
    typeName,
    label: FieldDescriptorProto_Label.OPTIONAL,
    jsonName: name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  })
}

function repeated(one: FieldDescriptorProto): FieldDescriptorProto {
  one.label = FieldDescriptorProto_Label.REPEATED
  return one
}

/** Adds a field to a message of a file. */
function addTo(
  files: ReadonlyMap<string, FileDescriptorProto>,
  file: string,
  added: FieldDescriptorProto,
  message = 'Config',
): void {
  const config = configOf(files, file, message)
  if (config.field.some(({ name }) => name === added.name))
    throw new Error(`the descriptors have ${added.name} in ${file} now: it need not be added to them`)
  config.field.push(added)
}

function configOf(files: ReadonlyMap<string, FileDescriptorProto>, file: string, message = 'Config'): DescriptorProto {
  const config = files.get(file)?.messageType.find(({ name }) => name === message)
  if (!config) throw new Error(`the descriptors have no message ${message} in ${file}`)
  return config
}
