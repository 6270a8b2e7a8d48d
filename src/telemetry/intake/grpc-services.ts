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
import { otlpAnswer, type Signal } from './otlp-answer.ts'
import type { OtlpFormat } from './otlp-values.ts'
import { type Sender, senderAt } from './sender.ts'
import type { Taking } from './taking.ts'

/** Who takes in what comes. */
export interface Intake {
  /** What an agent counted of the proxies of its node. */
  takeMeasured(bytes: Uint8Array): Promise<Taking>
  takeMetrics(bytes: Uint8Array, format: OtlpFormat, sender?: Sender): Promise<Taking>
  takeSpans(bytes: Uint8Array, format: OtlpFormat, sender?: Sender): Promise<Taking>
  takeLogs(bytes: Uint8Array, format: OtlpFormat, sender: Sender): Promise<Taking>
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

/** Adds OTLP, for metrics and spans of proxies, and Envoy's access log service to a gRPC server. */
export function addIntakeServices(server: Server, intake: Intake, access: IntakeAccess): void {
  const take = (signal: Signal, taken: (bytes: Buffer) => Promise<Taking>): handleUnaryCall<Buffer, Buffer> =>
    answering(signal, async (call) => {
      await access.allowed(call)
      return taken(call.request)
    })
  server.addService(MEASURED, { measured: take('metrics', (bytes) => intake.takeMeasured(bytes)) })
  server.addService(METRICS, { export: take('metrics', (bytes) => intake.takeMetrics(bytes, 'protobuf')) })
  server.addService(TRACES, { export: take('traces', (bytes) => intake.takeSpans(bytes, 'protobuf')) })
  const streamed: handleClientStreamingCall<Buffer, Buffer> = (call) => void logsOf(call, intake, access)
  server.addService(ACCESS_LOGS, { streamAccessLogs: streamed })
}

/** Adds OTLP as applications send it, who are known by their addresses. */
export function addOtlpServices(server: Server, intake: Intake): void {
  const take = (
    signal: Signal,
    taken: (bytes: Buffer, sender: Sender) => Promise<Taking>,
  ): handleUnaryCall<Buffer, Buffer> =>
    answering(signal, (call) => taken(call.request, senderAt(call.getPeer().replace(/:\d+$/, ''))))
  server.addService(METRICS, {
    export: take('metrics', (bytes, sender) => intake.takeMetrics(bytes, 'protobuf', sender)),
  })
  server.addService(TRACES, { export: take('traces', (bytes, sender) => intake.takeSpans(bytes, 'protobuf', sender)) })
  server.addService(LOGS, { export: take('logs', (bytes, sender) => intake.takeLogs(bytes, 'protobuf', sender)) })
}

/** What OTLP has for each outcome: what may be sent again, and what must not. */
const CODES = {
  malformed: status.INVALID_ARGUMENT,
  // It may be a pod that is so new that it is not known yet.
  stranger: status.UNAVAILABLE,
  full: status.UNAVAILABLE,
} as const

function answering(
  signal: Signal,
  take: (call: ServerUnaryCall<Buffer, Buffer>) => Promise<Taking>,
): handleUnaryCall<Buffer, Buffer> {
  return (call, answer) => {
    take(call).then(
      (taking) => {
        const { body, problem } = otlpAnswer(signal, taking, 'protobuf')
        if (taking.outcome === 'taken') answer(null, body)
        else answer({ code: CODES[taking.outcome], details: problem })
      },
      (error: Error) => answer({ code: status.PERMISSION_DENIED, details: error.message }),
    )
  }
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
