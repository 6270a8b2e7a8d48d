import { create, toBinary } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { type StreamAccessLogsMessage, StreamAccessLogsMessageSchema } from '#envoy/service/accesslog/v3/als'
import { LOG_NAMES } from '../../translate/reporting/access-log-service.ts'
import { Telemetry } from '../telemetry.ts'
import { handOver } from './handing-over.ts'
import { questionsOfReplicas } from './questions-of-replicas.ts'

const NOW = 1_700_000_000_000
const EVER = { from: NOW - 60_000, to: NOW + 60_000 }
const LONG = AbortSignal.timeout(60_000)

function opened(): Telemetry {
  const telemetry = new Telemetry({
    ...{ limitBytes: 50_000_000, seriesLimit: 1000, logsOneOf: 1, strangers: false },
    ...{ now: () => NOW, onEvent() {} },
  })
  telemetry.setPods([
    {
      ...{ pod: 'shop/api-0', namespace: 'shop', workload: 'api', app: 'api', version: 'v1' },
      ...{ serviceAccount: 'api', inMesh: true, addresses: ['10.0.0.2'] },
    },
  ])
  return telemetry
}

const socket = (address: string, port: number) =>
  ({
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  }) as const

function connection(second: number) {
  return {
    startTime: { seconds: BigInt(NOW / 1000 - second) },
    downstreamDirectRemoteAddress: socket('192.0.2.9', 50_000),
    downstreamLocalAddress: socket('10.0.0.2', 8080),
  }
}

function take(telemetry: Telemetry, name: string, logEntries: StreamAccessLogsMessage['logEntries']): void {
  const message = create(StreamAccessLogsMessageSchema, { logEntries })
  telemetry.takeAccessLogs(toBinary(StreamAccessLogsMessageSchema, message), 'shop/api-0', name)
}

/** One plaintext connection, and a request that was refused, so long ago. */
function saw(telemetry: Telemetry, second: number): void {
  const { logEntries: tcp } = create(StreamAccessLogsMessageSchema, {
    logEntries: { case: 'tcpLogs', value: { logEntry: [{ commonProperties: connection(second) }] } },
  })
  const { logEntries: http } = create(StreamAccessLogsMessageSchema, {
    logEntries: {
      case: 'httpLogs',
      value: {
        logEntry: [
          {
            commonProperties: connection(second),
            request: { requestMethod: 1, path: '/admin', authority: 'api.shop' },
            response: { responseCode: 403, responseCodeDetails: 'rbac_access_denied_matched_policy[none]' },
          },
        ],
      },
    },
  })
  take(telemetry, LOG_NAMES.plaintext, tcp)
  take(telemetry, LOG_NAMES.server, http)
}

type Asked = Pick<Telemetry, 'plaintext' | 'refusals' | 'calls'>

async function evidence(of: Asked) {
  return {
    plaintext: await of.plaintext(EVER),
    refusals: (await of.refusals(EVER)).refusals,
    calls: (await of.calls(EVER)).calls,
  }
}

test('the evidence of a server that ends is with another then, as often as it was seen and since when', async () => {
  const [ends, stays] = [opened(), opened()]
  for (const second of [9, 5]) saw(ends, second)
  saw(stays, 7)
  stays.flush()
  const together = questionsOfReplicas(
    Object.assign(stays, { follow: () => () => {} }),
    new Map([['ends', async (method, question) => (ends[method] as (asked: unknown) => unknown).call(ends, question)]]),
  )
  ends.flush()
  const before = await evidence(together)
  expect(before).toMatchObject({
    plaintext: [{ connections: 3, firstSeen: NOW - 9000, lastSeen: NOW - 5000 }],
    refusals: [{ count: 3 }],
    calls: [{ count: 3, refused: true }],
  })

  await expect(handOver(ends, () => Promise.reject(new Error('away')), LONG)).rejects.toThrow('away')
  expect(await evidence(together)).toEqual(before)

  // As it comes through HTTP.
  const moved = await handOver(ends, (given) => stays.takeOver(JSON.parse(JSON.stringify(given))), LONG)
  expect(moved).toBe(3)
  expect(await evidence(stays)).toEqual(before)
  expect(await evidence(ends)).toEqual({ plaintext: [], refusals: [], calls: [] })
})

test('what was seen while it was given away stays', async () => {
  const [ends, stays] = [opened(), opened()]
  saw(ends, 9)
  let gave = false
  await handOver(
    ends,
    async (given) => {
      if (!gave) saw(ends, 5)
      gave = true
      ends.flush()
      await stays.takeOver(given)
    },
    LONG,
  )
  expect(await evidence(stays)).toMatchObject({ plaintext: [{ connections: 2 }], refusals: [{ count: 2 }] })
})

test('what is not evidence is not taken', async () => {
  const telemetry = opened()
  const row = { key: 'x', first: NOW, last: NOW, count: 1, texts: ['only one'] }
  const given = { plaintext: [row], refusals: [], calls: [], unrecorded: null }
  await expect(telemetry.takeOver(given)).rejects.toThrow('a row of plaintext has source, destination')
  expect(await telemetry.plaintext(EVER)).toEqual([])
})
