// A real OpenTelemetry Collector between what Weft sends and what it takes in: `go build -o otelcol .` in test/telemetry/collector makes one, in minutes; then OTELCOL_PATH names it.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { gzipSync } from 'node:zlib'
import { create, toBinary } from '@bufbuild/protobuf'
import { afterAll, expect, test, vi } from 'vitest'
import { StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import { serveApplications } from '../../src/server/application-port.ts'
import { noMeasurement } from '../../src/telemetry/measurements/measurement.ts'
import { seriesKey } from '../../src/telemetry/measurements/series.ts'
import { TelemetryThread } from '../../src/telemetry/process/telemetry-thread.ts'
import { Telemetry } from '../../src/telemetry/telemetry.ts'
import { LOG_NAMES } from '../../src/translate/reporting/access-log-service.ts'
import { kill } from '../child.ts'
import { freePort } from '../free-port.ts'

const OTELCOL = process.env['OTELCOL_PATH'] ?? 'otelcol'
const isThere = spawnSync(OTELCOL, ['--version']).status === 0
const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

test.runIf(isThere)(
  `what is sent goes through a real OpenTelemetry Collector, and comes back as it was${isThere ? '' : ' (needs a Collector: see this file)'}`,
  async () => {
    // Where the Collector sends what it took: our own intake, which so takes what a real Collector sends.
    const back = new TelemetryThread(
      { limitBytes: 50_000_000, seriesLimit: 100, logsOneOf: 1, strangers: true, scrapeInterval: 3_600_000 },
      () => {},
    )
    ends.push(() => back.close())
    const served = await serveApplications({ host: '127.0.0.1', grpc: 0, http: 0 }, back, () => {})
    ends.push(() => served.close())
    const collector = await freePort()
    const sending = new Telemetry({
      ...{ limitBytes: 50_000_000, seriesLimit: 100, logsOneOf: 1, strangers: true, now: Date.now, onEvent() {} },
      export: { url: `http://127.0.0.1:${collector}`, headers: {} },
    })
    ends.push(() => sending.close())
    fill(sending)
    // It is not there yet: what was sent waits.
    await vi.waitFor(async () => expect((await sending.intake()).problems).toHaveLength(1), 60_000)
    start(collector, served.http ?? 0)
    await vi.waitFor(async () => expect((await sending.intake()).export?.waiting).toBe(0), 60_000)
    expect((await sending.intake()).lost).toEqual({})

    const ever = { from: 0, to: Date.now() + 3_600_000 }
    await vi.waitFor(async () => expect((await back.trace(TRACE))?.spans).toHaveLength(1), 60_000)
    const [sent, came] = [await sending.trace(TRACE), await back.trace(TRACE)]
    expect(came?.spans).toEqual(sent?.spans.map((span) => ({ ...span, at: expect.closeTo(span.at, 2) })))
    await vi.waitFor(async () => expect((await back.applicationLogs(ever)).entries).toHaveLength(2), 60_000)
    const texts = (await back.applicationLogs(ever)).entries.map(({ service, severity, text }) => [
      service,
      severity,
      text,
    ])
    expect(texts.sort()).toEqual([
      ['weft', 'error', 'GET api/orders 503 UF'],
      ['weft', 'info', 'VirtualService shop/api changed'],
    ])
    // Metrics of others are not kept; that they came, and in how many points, is told.
    await vi.waitFor(async () => expect((await back.intake()).lost).toHaveProperty('other metric'), 60_000)

    // And the other way: a batch that is packed, by gRPC's sister HTTP, straight to the Collector.
    const direct = await fetch(`http://127.0.0.1:${collector}/v1/traces`, {
      method: 'POST',
      body: new Uint8Array(gzipSync(spans('00f067aa0ba902b8'))),
      headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
    })
    expect(direct.status).toBe(200)
    await vi.waitFor(async () => expect((await back.trace(TRACE))?.spans).toHaveLength(2), 60_000)
  },
  180_000,
)

function spans(spanId: string): Uint8Array {
  const at = BigInt(Date.now()) * 1_000_000n
  const value = { case: 'stringValue' as const, value: 'shop' }
  return toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, {
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { value } }] },
          scopeSpans: [
            {
              spans: [
                {
                  ...{
                    traceId: Buffer.from(TRACE, 'hex'),
                    spanId: Buffer.from(spanId, 'hex'),
                    name: 'charge',
                    kind: 2,
                  },
                  ...{ startTimeUnixNano: at - 5_000_000n, endTimeUnixNano: at, status: { code: 2 } },
                  attributes: [{ key: 'order', value: { value: { case: 'stringValue', value: '7' } } }],
                },
              ],
            },
          ],
        },
      ],
    }),
  )
}

/** Some of everything. */
function fill(telemetry: Telemetry): void {
  const measurement = noMeasurement()
  measurement.requests = 3
  measurement.durations = 60
  measurement.buckets[4] = 3
  telemetry.measured(new Map([[seriesKey((label) => (label === 'request_protocol' ? 'http' : 'x')), measurement]]))
  telemetry.takeSpans(spans('00f067aa0ba902b7'), 'protobuf')
  const seconds = BigInt(Math.floor(Date.now() / 1000))
  const log = create(StreamAccessLogsMessageSchema, {
    logEntries: {
      case: 'httpLogs',
      value: {
        logEntry: [
          {
            commonProperties: { startTime: { seconds }, responseFlags: { upstreamConnectionFailure: true } },
            request: { requestMethod: 1, path: '/orders', authority: 'api' },
            response: { responseCode: 503 },
          },
        ],
      },
    },
  })
  telemetry.takeAccessLogs(toBinary(StreamAccessLogsMessageSchema, log), 'shop/web-0', LOG_NAMES.client)
  const change = { kind: 'VirtualService', namespace: 'shop', name: 'api', how: 'changed', by: '', fields: [] } as const
  telemetry.changed([{ at: Date.now(), ...change }])
  telemetry.flush()
}

function start(port: number, target: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'weft-collector-'))
  const signals = Object.fromEntries(
    ['traces', 'metrics', 'logs'].map((signal) => [signal, { receivers: ['otlp'], exporters: ['otlp_http'] }]),
  )
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { otlp_http: { endpoint: `http://127.0.0.1:${target}` } },
    service: { pipelines: signals, telemetry: { metrics: { level: 'none' } } },
  }
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config))
  const child = spawn(OTELCOL, ['--config', `file:${join(folder, 'config.yaml')}`], {
    stdio: ['ignore', 'ignore', process.env['WEFT_TEST_VERBOSE'] ? 'inherit' : 'ignore'],
  })
  ends.push(async () => {
    await kill(child)
    rmSync(folder, { recursive: true, force: true })
  })
}
