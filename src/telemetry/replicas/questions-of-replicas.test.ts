import { create, toBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import { ExportTraceServiceRequestSchema } from '#proto/opentelemetry/proto/collector/trace/v1/trace_service'
import { LOG_NAMES } from '../../translate/reporting/access-log-service.ts'
import { noMeasurement } from '../measurements/measurement.ts'
import { ISTIO_LABELS, type SeriesLabels, seriesKey } from '../measurements/series.ts'
import type { OwnQuestions, Questions } from '../questions/questions.ts'
import { Telemetry } from '../telemetry.ts'
import { type AskReplica, questionsOfReplicas } from './questions-of-replicas.ts'

const NOW = 1_700_000_000_000
const EVER = { from: NOW - 60_000, to: NOW + 60_000 }
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

function opened() {
  const telemetry = new Telemetry({
    ...{ limitBytes: 50_000_000, seriesLimit: 1000, logsOneOf: 1, strangers: false },
    ...{ now: () => NOW, onEvent() {} },
  })
  telemetry.setPods(
    [
      ['web', '10.0.0.1'],
      ['api', '10.0.0.2'],
    ].map(([name = '', address = '']) => ({
      ...{ pod: `shop/${name}-0`, namespace: 'shop', workload: name, app: name, version: 'v1' },
      ...{ serviceAccount: name, inMesh: true, addresses: [address] },
    })),
  )
  return Object.assign(telemetry, { follow: () => () => {} })
}

const FIELDS = Object.fromEntries(Object.entries(ISTIO_LABELS).map(([field, label]) => [label, field]))

function counted(telemetry: Telemetry, reporter: string, requests: number, more: Partial<SeriesLabels> = {}): void {
  const labels: Readonly<Record<string, string>> = {
    ...{ reporter, protocol: 'http', code: '200', flags: '-', service: 'api.shop.svc.cluster.local' },
    ...{ sourceNamespace: 'shop', sourceWorkload: 'web', sourcePrincipal: 'spiffe://cluster.local/ns/shop/sa/web' },
    ...{ namespace: 'shop', workload: 'api', principal: 'spiffe://cluster.local/ns/shop/sa/api' },
    ...{ security: reporter === 'source' ? 'unknown' : 'mutual_tls', ...more },
  }
  const measurement = noMeasurement()
  measurement.requests = requests
  measurement.durations = requests * 20
  measurement.buckets[4] = requests
  telemetry.measured(new Map([[seriesKey((label) => labels[FIELDS[label] ?? '']), measurement]]))
}

function logged(telemetry: Telemetry, status: number, second: number): void {
  const socket = (address: string) => ({
    address: {
      case: 'socketAddress' as const,
      value: { address, portSpecifier: { case: 'portValue' as const, value: 80 } },
    },
  })
  const startTime = { seconds: BigInt(NOW / 1000 - second) }
  const message = create(StreamAccessLogsMessageSchema, {
    logEntries: {
      case: 'httpLogs',
      value: {
        logEntry: [
          {
            commonProperties: { startTime, upstreamRemoteAddress: socket('10.0.0.2'), routeName: 'to-api' },
            request: { requestMethod: 1, path: `/${second}` },
            response: { responseCode: status },
          },
        ],
      },
    },
  })
  telemetry.takeAccessLogs(toBinary(StreamAccessLogsMessageSchema, message), 'shop/web-0', LOG_NAMES.client)
}

function plaintext(telemetry: Telemetry, second: number): void {
  const socket = (address: string, port: number) => ({
    address: {
      case: 'socketAddress' as const,
      value: { address, portSpecifier: { case: 'portValue' as const, value: port } },
    },
  })
  const message = create(StreamAccessLogsMessageSchema, {
    logEntries: {
      case: 'tcpLogs',
      value: {
        logEntry: [
          {
            commonProperties: {
              startTime: { seconds: BigInt(NOW / 1000 - second) },
              downstreamDirectRemoteAddress: socket('192.0.2.9', 50_000),
              downstreamLocalAddress: socket('10.0.0.2', 8080),
            },
          },
        ],
      },
    },
  })
  telemetry.takeAccessLogs(toBinary(StreamAccessLogsMessageSchema, message), 'shop/api-0', LOG_NAMES.plaintext)
}

function traced(telemetry: Telemetry, spanId: string, parent: string, begin: number, length: number): void {
  const nanoseconds = (ms: number) => BigInt(NOW - 1000 + ms) * 1_000_000n
  const span = {
    ...{ traceId: Buffer.from(TRACE, 'hex'), spanId: Buffer.from(spanId, 'hex'), name: `span ${spanId}` },
    ...{ parentSpanId: Buffer.from(parent, 'hex') },
    ...{ startTimeUnixNano: nanoseconds(begin), endTimeUnixNano: nanoseconds(begin + length) },
  }
  const message = create(ExportTraceServiceRequestSchema, { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
  telemetry.takeSpans(toBinary(ExportTraceServiceRequestSchema, message), 'protobuf')
}

type Asked = Omit<Questions, 'follow'>

/** As it comes through HTTP. */
const asking =
  (other: Telemetry): AskReplica =>
  async (method, question) => {
    const ask = other[method] as (question: unknown) => Promise<unknown>
    const through = (value: unknown) => JSON.parse(JSON.stringify(value ?? null)) as unknown
    return through(await ask.call(other, through(question) ?? undefined))
  }

/** The same, told to one server and told to two, of which each knows the proxies of its nodes. */
async function oneAndTwo(): Promise<{ one: Asked; two: Questions; clients: OwnQuestions; servers: Telemetry }> {
  const [one, clients, servers] = [opened(), opened(), opened()]
  for (const each of [one, clients]) {
    counted(each, 'source', 90)
    counted(each, 'source', 10, { code: '503', flags: 'UF' })
    logged(each, 200, 5)
    logged(each, 503, 3)
    plaintext(each, 9)
    traced(each, '00f067aa0ba902b7', '', 0, 400)
  }
  for (const each of [one, servers]) {
    // What the client's proxy told to the other server must not count again.
    counted(each, 'destination', 90)
    counted(each, 'destination', 7, { sourceWorkload: 'unknown', sourcePrincipal: 'unknown', security: 'none' })
    logged(each, 404, 4)
    plaintext(each, 7)
    plaintext(each, 6)
    traced(each, '00f067aa0ba902b8', '00f067aa0ba902b7', 50, 600)
  }
  for (const each of [one, clients, servers]) each.flush()
  return {
    one,
    clients,
    servers,
    two: questionsOfReplicas(clients, new Map([['weft-server-b', asking(servers)]]), () => NOW),
  }
}

test('two servers answer together what one would that knew all', async () => {
  const { one, two } = await oneAndTwo()
  const both = async <T>(ask: (of: Asked) => Promise<T>) => {
    const [a, b] = [await ask(one), await ask(two)]
    expect(b).toEqual(a)
    return a
  }
  const signals = await both((of) => of.signals({ ...EVER, by: 'edge', step: 10_000 }))
  expect(signals.series.map(({ total }) => total.requests)).toEqual([100, 7])
  const graph = await both((of) => of.graph(EVER))
  expect(graph.edges).toHaveLength(2)
  expect((await both((of) => of.plaintext(EVER)))[0]?.connections).toBe(3)
  await both((of) => of.signals({ ...EVER, by: 'route' }))
  await both((of) => of.trace(TRACE))
  expect(await both((of) => of.traces({ ...EVER, minDuration: 620 }))).toMatchObject([{ duration: 650, spans: 2 }])
  expect(await both((of) => of.traces({ ...EVER, minDuration: 660 }))).toEqual([])
  await both((of) => of.calls(EVER))
  const withoutIds = async (of: Asked) =>
    (await of.logs({ ...EVER, limit: 2 })).entries.map(({ id: _, ...entry }) => entry)
  expect((await both(withoutIds)).map(({ status }) => status)).toEqual([503, 404])
  const ids = (await two.logs(EVER)).entries.map(({ id }) => id)
  expect(new Set(ids).size).toBe(3)
  expect(two.missing).toEqual([])
})

test('says which server did not answer, and answers with what there is', async () => {
  const { clients } = await oneAndTwo()
  const gone: AskReplica = () => Promise.reject(new Error('away'))
  const questions = questionsOfReplicas(clients, new Map([['weft-server-b', gone]]))
  expect((await questions.logs(EVER)).entries).toHaveLength(2)
  expect(questions.missing).toEqual(['weft-server-b'])
  expect((await questions.intake()).problems).toEqual([
    'server weft-server-b does not answer: what it knows is missing',
  ])
})
