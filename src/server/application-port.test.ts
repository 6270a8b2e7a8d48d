import { gzipSync } from 'node:zlib'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Client, credentials } from '@grpc/grpc-js'
import { afterEach, expect, test, vi } from 'vitest'
import { StatusSchema } from '#proto/google/rpc/status'
import { ExportLogsServiceRequestSchema } from '#proto/opentelemetry/proto/collector/logs/v1/logs_service'
import { ExportMetricsServiceResponseSchema } from '#proto/opentelemetry/proto/collector/metrics/v1/metrics_service'
import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import type { Taking } from '../telemetry/intake/taking.ts'
import { Telemetry } from '../telemetry/telemetry.ts'
import { serveApplications } from './application-port.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

async function started({ strangers = false, pod = '127.0.0.1' } = {}) {
  const options = { limitBytes: 50_000_000, seriesLimit: 100, logsOneOf: 1, strangers, now: Date.now, onEvent() {} }
  const telemetry = new Telemetry(options)
  const names = { namespace: 'shop', serviceAccount: 'web', workload: 'web', app: 'web', version: 'v1', inMesh: true }
  telemetry.setPods([{ pod: 'shop/web-0', ...names, addresses: [pod] }])
  const taken = (taking: Taking) => {
    telemetry.flush()
    return Promise.resolve(taking)
  }
  const intake = {
    takeMeasured: (bytes: Uint8Array) => taken(telemetry.takeMeasured(bytes)),
    takeMetrics: (...given: Parameters<Telemetry['takeMetrics']>) => taken(telemetry.takeMetrics(...given)),
    takeSpans: (...given: Parameters<Telemetry['takeSpans']>) => taken(telemetry.takeSpans(...given)),
    takeLogs: (...given: Parameters<Telemetry['takeLogs']>) => taken(telemetry.takeLogs(...given)),
    takeAccessLogs() {},
    refused: () => telemetry.malformed(1),
  }
  const served = await serveApplications({ host: '127.0.0.1', grpc: 0, http: 0 }, intake, () => {})
  ends.push(() => served.close())
  const post = (signal: string, body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${served.http}/v1/${signal}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-protobuf', ...headers },
    })
  return { telemetry, intake, served, post }
}

const value = (stringValue: string) => ({ value: { case: 'stringValue' as const, value: stringValue } })
/** One that claims to be of another pod. */
const resource = {
  attributes: [
    { key: 'service.name', value: value('checkout') },
    { key: 'k8s.namespace.name', value: value('bank') },
    { key: 'weft.workload', value: value('vault') },
  ],
}

const nanoseconds = (ms: number) => BigInt(ms) * 1_000_000n

function spans() {
  const at = Date.now()
  const span = {
    traceId: Buffer.from(TRACE, 'hex'),
    spanId: Buffer.from('00f067aa0ba902b7', 'hex'),
    parentSpanId: Buffer.from('00f067aa0ba902b6', 'hex'),
    name: 'charge',
    startTimeUnixNano: nanoseconds(at - 5),
    endTimeUnixNano: nanoseconds(at),
    attributes: [{ key: 'weft.workload', value: value('vault') }],
  }
  const message = create(ExportTraceServiceRequestSchema, {
    resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }],
  })
  return Buffer.from(toBinary(ExportTraceServiceRequestSchema, message))
}

function logs(at = Date.now()) {
  const record = {
    timeUnixNano: nanoseconds(at),
    severityNumber: 17,
    body: value('the card was declined'),
    traceId: Buffer.from(TRACE, 'hex'),
    attributes: [{ key: 'order', value: value('7') }],
  }
  const message = create(ExportLogsServiceRequestSchema, {
    resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }],
  })
  return Buffer.from(toBinary(ExportLogsServiceRequestSchema, message))
}

const ever = () => ({ from: 0, to: Date.now() + 3_600_000 })

test('takes spans and logs of a pod, plain and packed, and says whose they are by its address', async () => {
  const { telemetry, post } = await started()
  expect((await post('traces', gzipSync(spans()), { 'content-encoding': 'gzip' })).status).toBe(200)
  expect((await post('logs', logs())).status).toBe(200)
  expect(await telemetry.trace(TRACE)).toBeDefined()
  const [span] = (await telemetry.trace(TRACE))?.spans ?? []
  expect(span).toMatchObject({ service: 'checkout', name: 'charge', parentId: '00f067aa0ba902b6' })
  expect(span?.attributes).toMatchObject({ 'weft.workload': 'web', 'k8s.namespace.name': 'shop' })
  expect((await telemetry.applicationLogs({ ...ever(), traceId: TRACE })).entries).toMatchObject([
    {
      severity: 'error',
      text: 'the card was declined',
      service: 'checkout',
      namespace: 'shop',
      workload: 'web',
      pod: 'web-0',
      attributes: { order: '7' },
    },
  ])
  const found = async (question: object) => (await telemetry.applicationLogs({ ...ever(), ...question })).entries.length
  expect(await found({ severity: 'fatal' })).toBe(0)
  expect(await found({ severity: 'warn', party: { namespace: 'shop', workload: 'web' }, text: 'DECLINED' })).toBe(1)
  expect(await found({ party: { namespace: 'bank' } })).toBe(0)
})

test('takes JSON, with ids in hexadecimal', async () => {
  const { telemetry, post } = await started()
  const span = { traceId: TRACE, spanId: '00f067aa0ba902b7', name: 'charge', kind: 2 }
  const times = { startTimeUnixNano: `${Date.now() - 5}000000`, endTimeUnixNano: `${Date.now()}000000` }
  const answer = await post(
    'traces',
    JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, ...times }] }] }] }),
    { 'content-type': 'application/json; charset=utf-8' },
  )
  expect([answer.status, await answer.json()]).toEqual([200, {}])
  expect((await telemetry.trace(TRACE))?.spans[0]?.kind).toBe('server')
})

test('takes the same over gRPC', async () => {
  const { telemetry, served } = await started()
  const client = new Client(`127.0.0.1:${served.grpc}`, credentials.createInsecure())
  ends.push(() => client.close())
  const asIs = (bytes: Buffer) => bytes
  const send = (service: string, bytes: Buffer) =>
    new Promise<Buffer | undefined>((resolve, reject) =>
      client.makeUnaryRequest(`/opentelemetry.proto.collector.${service}/Export`, asIs, asIs, bytes, (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    )
  await send('logs.v1.LogsService', logs())
  await send('trace.v1.TraceService', spans())
  await expect(send('trace.v1.TraceService', Buffer.from('\u0007junk'))).rejects.toThrow('no message of OTLP')
  expect((await telemetry.applicationLogs(ever())).entries).toHaveLength(1)
})

test('takes nothing from an address of no pod on a cluster, and all on a laptop', async () => {
  const cluster = await started({ pod: '10.0.0.1' })
  const refused = await cluster.post('logs', logs())
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5'])
  expect(fromBinary(StatusSchema, Buffer.from(await refused.arrayBuffer())).message).toMatch(/address of no pod/)
  expect((await cluster.telemetry.intake()).lost).toEqual({ stranger: 1 })
  const laptop = await started({ strangers: true, pod: '10.0.0.1' })
  expect((await laptop.post('logs', logs())).status).toBe(200)
})

test('refuses what is malformed or too long, says so, counts it, and goes on', async () => {
  const { telemetry, post } = await started()
  const statuses = [
    await post('traces', '\u0007junk'),
    await post('traces', '{', { 'content-type': 'application/json' }),
    await post('traces', 'not packed', { 'content-encoding': 'gzip' }),
    await post('traces', spans(), { 'content-encoding': 'zstd' }),
    await post('traces', spans(), { 'content-type': 'text/plain' }),
    await post('traces', Buffer.alloc(5_000_000)),
    // Twenty thousand bytes that become twenty million.
    await post('traces', gzipSync(Buffer.alloc(20_000_000)), { 'content-encoding': 'gzip' }),
  ].map(({ status }) => status)
  expect(statuses).toEqual([400, 400, 400, 415, 415, 413, 413])
  expect((await post('logs', logs(Date.now() + 10 * 86_400_000))).status).toBe(200)
  expect((await telemetry.applicationLogs(ever())).entries).toHaveLength(1)
  expect((await telemetry.intake()).lost).toEqual({ malformed: 7, 'wrong clock': 1 })
})

test('tells applications that their metrics are not kept, and counts none of theirs as those of a proxy', async () => {
  const { telemetry, post } = await started()
  const attributes = Object.entries({ destination_workload: 'web', reporter: 'source' }).map(([key, text]) => ({
    key,
    value: { stringValue: text },
  }))
  const points = { aggregationTemporality: 1, isMonotonic: true, dataPoints: [{ asInt: '5', attributes }] }
  const metrics = [
    { name: 'istio_requests_total', sum: points },
    { name: 'jvm_heap', gauge: { dataPoints: [{}, {}] } },
  ]
  const answer = await post('metrics', JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] }), {
    'content-type': 'application/json',
  })
  expect(await answer.json()).toMatchObject({ partialSuccess: { rejectedDataPoints: '3' } })
  expect((await telemetry.signals(ever())).series).toEqual([])
  expect((await telemetry.intake()).lost).toEqual({ 'other metric': 3 })
  const none = await post('metrics', Buffer.alloc(0))
  expect(fromBinary(ExportMetricsServiceResponseSchema, Buffer.from(await none.arrayBuffer())).partialSuccess).toBe(
    undefined,
  )
})

test('tells of a port that somebody else has, and goes on', async () => {
  const { served, intake } = await started()
  const log = vi.fn()
  const second = await serveApplications({ host: '127.0.0.1', grpc: 0, http: served.http ?? 0 }, intake, log)
  ends.push(() => second.close())
  expect(second.http).toBeUndefined()
  expect(second.grpc).toBeGreaterThan(0)
  expect(log).toHaveBeenCalledWith('warning', expect.stringMatching(/over HTTP: .*EADDRINUSE/))
})
