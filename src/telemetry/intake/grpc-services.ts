import { fromBinary } from '@bufbuild/protobuf'
import {
  type handleClientStreamingCall,
  type handleUnaryCall,
  type Server,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import type { Node } from '#envoy/config/core/v3/base'
import { StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import type { OtlpFormat } from './otlp-values.ts'

/** Who takes in what comes over gRPC. */
export interface Intake {
  /** What an agent counted of the proxies of its node. */
  takeMeasured(bytes: Uint8Array): void
  takeMetrics(bytes: Uint8Array, format: OtlpFormat): void
  takeSpans(bytes: Uint8Array, format: OtlpFormat): void
  takeAccessLogs(bytes: Uint8Array, pod: string, logName: string): void
}

type Calling = Pick<ServerUnaryCall<Buffer, Buffer>, 'getPeer' | 'metadata' | 'getAuthContext'>

export interface IntakeAccess {
  /** The pod (`NAMESPACE/NAME`) whose proxy opens a stream of access logs. @throws Error saying why it is refused */
  proxyOf(call: Calling, node: Node | undefined): string | Promise<string>
  /** @throws Error saying why whoever calls may not send metrics and spans */
  allowed(call: Calling): void | Promise<void>
}

/** Methods by which agents pass on what proxies of their nodes send. */
export const PATHS = {
  measured: '/weft.v1.Telemetry/Measured',
  spans: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  accessLogs: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
} as const

const asIs = (bytes: Buffer) => bytes
const BYTES = {
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
} as const

export const unary = (path: string) => ({ path, requestStream: false, responseStream: false, ...BYTES }) as const
export const stream = (path: string) => ({ path, requestStream: true, responseStream: false, ...BYTES }) as const

const MEASURED = { measured: unary(PATHS.measured) } satisfies ServiceDefinition
const METRICS = {
  export: unary('/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'),
} satisfies ServiceDefinition
const TRACES = {
  export: unary(PATHS.spans),
} satisfies ServiceDefinition
const LOGS = {
  export: unary('/opentelemetry.proto.collector.logs.v1.LogsService/Export'),
} satisfies ServiceDefinition
const ACCESS_LOGS = {
  streamAccessLogs: stream(PATHS.accessLogs),
} satisfies ServiceDefinition

/** An answer that says no more than that all was taken: an empty message. */
const TAKEN = Buffer.alloc(0)

/** Adds OTLP, for metrics and spans, and Envoy's access log service to a gRPC server. */
export function addIntakeServices(server: Server, intake: Intake, access: IntakeAccess): void {
  const take =
    (taken: (bytes: Buffer) => void): handleUnaryCall<Buffer, Buffer> =>
    (call, answer) => {
      Promise.resolve()
        .then(() => access.allowed(call))
        .then(
          () => {
            taken(call.request)
            answer(null, TAKEN)
          },
          (error: Error) => answer({ code: status.PERMISSION_DENIED, details: error.message }),
        )
    }
  server.addService(MEASURED, { measured: take((bytes) => intake.takeMeasured(bytes)) })
  server.addService(METRICS, { export: take((bytes) => intake.takeMetrics(bytes, 'protobuf')) })
  server.addService(TRACES, { export: take((bytes) => intake.takeSpans(bytes, 'protobuf')) })
  const noLogs: handleUnaryCall<Buffer, Buffer> = (_, answer) =>
    answer({ code: status.UNIMPLEMENTED, details: 'logs of applications are not kept here' })
  server.addService(LOGS, { export: noLogs })
  const streamed: handleClientStreamingCall<Buffer, Buffer> = (call) => void logsOf(call, intake, access)
  server.addService(ACCESS_LOGS, { streamAccessLogs: streamed })
}

/** Takes a stream of access logs, for as long as it lasts. */
async function logsOf(call: ServerReadableStream<Buffer, Buffer>, intake: Intake, access: IntakeAccess): Promise<void> {
  try {
    let from: { readonly pod: string; readonly logName: string } | undefined
    for await (const bytes of call as AsyncIterable<Buffer>) {
      if (!from) {
        const { identifier } = fromBinary(StreamAccessLogsMessageSchema, bytes)
        from = { pod: await access.proxyOf(call, identifier?.node), logName: identifier?.logName ?? '' }
      }
      intake.takeAccessLogs(bytes, from.pod, from.logName)
    }
  } catch (error) {
    call.emit('error', { code: status.PERMISSION_DENIED, details: (error as Error).message })
  }
}
