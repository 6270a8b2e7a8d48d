import { create, toBinary, toJsonString } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import { LOG_NAMES } from '../translate/reporting/access-log-service.ts'
import { noMeasurement } from './measurements/measurement.ts'
import { seriesKey } from './measurements/series.ts'
import type { TelemetryEvent } from './questions/questions.ts'
import { Telemetry } from './telemetry.ts'

const NOW = 1_700_000_000_000
const EVER = { from: 0, to: NOW + 86_400_000 }

function opened(limitBytes = 50_000_000) {
  const clock = { now: NOW }
  const events: TelemetryEvent[] = []
  const telemetry = new Telemetry({
    limitBytes,
    seriesLimit: 1000,
    logsOneOf: 10,
    strangers: false,
    now: () => clock.now,
    onEvent: (event) => events.push(event),
  })
  telemetry.setPods([
    pod('shop', 'web-0', 'web', '10.0.0.1'),
    pod('shop', 'api-0', 'api', '10.0.0.2'),
    { ...pod('old', 'batch-0', 'batch', '10.0.0.3'), inMesh: false },
  ])
  return { telemetry, clock, events }
}

function pod(namespace: string, name: string, workload: string, address: string) {
  return {
    pod: `${namespace}/${name}`,
    namespace,
    workload,
    app: workload,
    version: 'v1',
    serviceAccount: workload,
    inMesh: true,
    addresses: [address],
  }
}

const socket = (address: string, port: number) =>
  ({
    address: {
      case: 'socketAddress',
      value: { address, portSpecifier: { case: 'portValue', value: port } },
    },
  }) as const
const seconds = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 })

function requestLog(status: number, flags: object = {}, at = NOW, responseCodeDetails = 'via_upstream') {
  const message = create(StreamAccessLogsMessageSchema, {
    logEntries: {
      case: 'httpLogs',
      value: {
        logEntry: [
          {
            commonProperties: {
              startTime: seconds(at),
              duration: seconds(12),
              upstreamCluster: 'outbound|80||api.shop.svc.cluster.local',
              upstreamRemoteAddress: socket('10.0.0.2', 8080),
              downstreamDirectRemoteAddress: socket('10.0.0.1', 40_000),
              downstreamLocalAddress: socket('10.0.0.2', 8080),
              responseFlags: flags,
              routeName: 'to-api',
            },
            request: {
              requestMethod: 1,
              path: '/orders?id=1',
              authority: 'api',
              requestHeaders: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
            },
            response: { responseCode: status, responseCodeDetails },
          },
        ],
      },
    },
  })
  return toBinary(StreamAccessLogsMessageSchema, message)
}

test('names both sides of a logged request, and finds it again', async () => {
  const { telemetry, events } = opened()
  telemetry.takeAccessLogs(requestLog(200), 'shop/web-0', LOG_NAMES.client)
  telemetry.takeAccessLogs(requestLog(503, { upstreamConnectionFailure: true }), 'shop/web-0', LOG_NAMES.client)
  telemetry.flush()
  const { entries } = await telemetry.logs(EVER)
  expect(entries).toHaveLength(2)
  expect(entries[0]).toMatchObject({
    reporter: 'source',
    source: { namespace: 'shop', workload: 'web' },
    destination: { namespace: 'shop', workload: 'api', version: 'v1' },
    service: 'api.shop.svc.cluster.local',
    method: 'GET',
    path: '/orders?id=1',
    route: 'to-api',
    status: 503,
    flags: 'UF',
    oneOf: 1,
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  })
  expect(entries[1]).toMatchObject({ status: 200, flags: '', oneOf: 10 })
  const ids = async (question: object) =>
    (await telemetry.logs({ ...EVER, ...question })).entries.map(({ status }) => status)
  expect(await ids({ failed: true })).toEqual([503])
  expect(await ids({ status: '2xx' })).toEqual([200])
  expect(await ids({ flags: ['UH'] })).toEqual([])
  expect(await ids({ flags: ['UH', 'UF'] })).toEqual([503])
  expect(await ids({ destination: { workload: 'api' }, source: { namespace: 'shop' } })).toEqual([503, 200])
  expect(await ids({ source: { workload: 'api' } })).toEqual([])
  expect(events).toContainEqual({
    logs: [expect.objectContaining({ status: 200 }), expect.objectContaining({ status: 503 })],
  })
  const routes = await telemetry.signals({ ...EVER, by: 'route' })
  expect(routes.series).toMatchObject([{ key: { route: 'to-api' }, total: { requests: 11, errors: 1 } }])
})

test('knows which service was called of a request that came to none of its hosts', async () => {
  const { telemetry } = opened()
  const logged = (service: string, authority: string) => {
    const message = create(StreamAccessLogsMessageSchema, {
      logEntries: {
        case: 'httpLogs',
        value: {
          logEntry: [
            {
              commonProperties: { startTime: seconds(NOW), customTags: { service }, routeName: 'default' },
              request: { requestMethod: 1, path: '/', authority },
              response: { responseCode: 503, responseCodeDetails: 'no_healthy_upstream' },
            },
          ],
        },
      },
    })
    telemetry.takeAccessLogs(toBinary(StreamAccessLogsMessageSchema, message), 'shop/web-0', LOG_NAMES.client)
    telemetry.flush()
  }
  logged('api.shop.svc.cluster.local', 'shop.example:8080')
  logged('-', 'elsewhere.example')
  const services = (await telemetry.logs({ ...EVER, failed: true })).entries.map(({ service }) => service)
  expect(services).toEqual(['elsewhere.example', 'api.shop.svc.cluster.local'])
})

test('what a proxy refused is kept once as such, and alone is no log of calls', async () => {
  const { telemetry } = opened()
  const refused = (pod: string, logName: string) =>
    telemetry.takeAccessLogs(requestLog(403, {}, NOW, 'rbac_access_denied_matched_policy[none]'), pod, logName)
  refused('shop/api-0', LOG_NAMES.refused)
  refused('shop/api-0', LOG_NAMES.server)
  // A gateway, by a policy of its own.
  refused('shop/api-0', LOG_NAMES.refusedOutbound)
  refused('shop/api-0', LOG_NAMES.client)
  telemetry.flush()
  const { refusals } = await telemetry.refusals(EVER)
  expect(refusals).toEqual([
    expect.objectContaining({
      who: 'shop/web',
      from: '10.0.0.1',
      at: 'shop/api port 8080',
      request: 'GET api/orders',
      count: 4,
    }),
  ])
  const { entries } = await telemetry.logs(EVER)
  expect(entries.map(({ reporter }) => reporter).sort()).toEqual(['destination', 'source'])
  const { calls, since } = await telemetry.calls(EVER)
  expect(calls).toMatchObject([{ refused: true, count: 2, destination: { workload: 'api', port: 8080 } }])
  expect(since).toBe(null)
})

test('keeps evidence of plaintext for 90 days', async () => {
  const { telemetry, clock } = opened()
  const connection = (from: string) =>
    toBinary(
      StreamAccessLogsMessageSchema,
      create(StreamAccessLogsMessageSchema, {
        logEntries: {
          case: 'tcpLogs',
          value: {
            logEntry: [
              {
                commonProperties: {
                  startTime: seconds(clock.now),
                  downstreamDirectRemoteAddress: socket(from, 50_000),
                  downstreamLocalAddress: socket('10.0.0.2', 8080),
                },
              },
            ],
          },
        },
      }),
    )
  for (const from of ['10.0.0.3', '10.0.0.3', '192.0.2.9'])
    telemetry.takeAccessLogs(connection(from), 'shop/api-0', LOG_NAMES.plaintext)
  telemetry.flush()
  clock.now += 1000
  telemetry.takeAccessLogs(connection('10.0.0.3'), 'shop/api-0', LOG_NAMES.plaintext)
  telemetry.flush()
  const destination = { namespace: 'shop', workload: 'api', port: 8080 }
  expect(await telemetry.plaintext(EVER)).toEqual([
    {
      source: { namespace: 'old', workload: 'batch', address: '10.0.0.3', inMesh: false },
      destination,
      firstSeen: NOW,
      lastSeen: NOW + 1000,
      connections: 3,
    },
    {
      source: { namespace: 'unknown', workload: 'unknown', address: '192.0.2.9', inMesh: null },
      destination,
      firstSeen: NOW,
      lastSeen: NOW,
      connections: 1,
    },
  ])
  clock.now = NOW + 89 * 86_400_000
  telemetry.grow()
  expect(await telemetry.plaintext(EVER)).toHaveLength(2)
  clock.now = NOW + 91 * 86_400_000
  telemetry.grow()
  expect(await telemetry.plaintext(EVER)).toHaveLength(0)
})

const SPAN = {
  resourceSpans: [
    {
      resource: {
        attributes: [{ key: 'service.name', value: { value: { case: 'stringValue' as const, value: 'api' } } }],
      },
      scopeSpans: [
        {
          spans: [
            {
              traceId: Buffer.from('4bf92f3577b34da6a3ce929d0e0e4736', 'hex'),
              spanId: Buffer.from('00f067aa0ba902b7', 'hex'),
              name: 'ingress',
              startTimeUnixNano: BigInt(NOW) * 1_000_000n,
              endTimeUnixNano: BigInt(NOW + 20) * 1_000_000n,
              status: { code: 2 },
            },
          ],
        },
      ],
    },
  ],
}

test.each(['protobuf', 'json'] as const)('takes spans as OTLP in %s', async (format) => {
  const { telemetry } = opened()
  const message = create(ExportTraceServiceRequestSchema, SPAN)
  // In OTLP's JSON ids are hexadecimal.
  const json = toJsonString(ExportTraceServiceRequestSchema, message)
    .replace(/"traceId":"[^"]+"/, '"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"')
    .replace(/"spanId":"[^"]+"/, '"spanId":"00f067aa0ba902b7"')
  telemetry.takeSpans(
    format === 'json' ? Buffer.from(json) : toBinary(ExportTraceServiceRequestSchema, message),
    format,
  )
  telemetry.flush()
  expect(await telemetry.traces(EVER)).toMatchObject([
    { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', service: 'api', duration: 20, spans: 1, failedSpans: 1 },
  ])
  expect((await telemetry.trace('4bf92f3577b34da6a3ce929d0e0e4736'))?.spans).toMatchObject([
    { name: 'ingress', at: NOW },
  ])
})

test('counts what is malformed and what has a wrong clock, and goes on', async () => {
  const { telemetry } = opened()
  const junk = Buffer.from('\u0007junk that is no message')
  telemetry.takeMetrics(junk, 'protobuf')
  telemetry.takeMetrics(Buffer.from('{'), 'json')
  telemetry.takeSpans(junk, 'protobuf')
  telemetry.takeMeasured(Buffer.from('[["key", -1]]'))
  telemetry.takeAccessLogs(junk, 'shop/web-0', LOG_NAMES.client)
  telemetry.takeAccessLogs(requestLog(200, {}, NOW + 400 * 86_400_000), 'shop/web-0', LOG_NAMES.client)
  telemetry.flush()
  expect((await telemetry.intake()).lost).toEqual({ malformed: 5, 'wrong clock': 1 })
  // Under the time at which it came.
  expect((await telemetry.logs(EVER)).entries).toMatchObject([{ at: NOW }])
})

test('lets go of what there is no room for, says so, and answers what it has', async () => {
  const { telemetry } = opened(400_000)
  const measured = (i: number) => {
    const measurement = noMeasurement()
    measurement.requests = 1
    return [seriesKey((label) => (label === 'destination_workload' ? `w${i}` : '')), measurement] as const
  }
  for (let round = 0; round < 30; round++) {
    telemetry.measured(new Map(Array.from({ length: 900 }, (_, i) => measured(i))))
    telemetry.flush()
  }
  const full = await telemetry.intake()
  expect(full.lost['disk full']).toBeGreaterThan(0)
  expect(full.problems).toEqual([
    'measurements cannot be written: there is no room for it on the disk, or within its limit',
  ])
  expect((await telemetry.signals(EVER)).series[0]?.total.requests).toBeGreaterThan(0)
  telemetry.grow()
  telemetry.measured(new Map([measured(1)]))
  telemetry.flush()
  expect((await telemetry.intake()).problems).toEqual([])
})

test('takes no more than it can hold until it is written', async () => {
  const { telemetry } = opened()
  for (let i = 0; i < 50_010; i++)
    telemetry.changed([{ at: NOW, kind: 'Service', namespace: 'a', name: `${i}`, how: 'added', by: '', fields: [] }])
  expect((await telemetry.intake()).lost).toEqual({ 'queue full': 10 })
})
