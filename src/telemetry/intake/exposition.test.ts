import { expect, test } from 'vitest'
import { seriesLabels } from '../measurements/series.ts'
import { ExposedCounters } from './exposition.ts'

const LABELS = 'reporter="source",source_workload="web",destination_workload="api",response_code="200",extra="x"'
const page = (lines: readonly string[], uptime = 1) =>
  ['# TYPE x counter', `envoy_server_uptime{} ${uptime}`, ...lines, 'envoy_other{} 7', ''].join('\n')
const requests = (count: number, labels = LABELS) => `istio_requests_total{${labels}} ${count}`
const isNew = (uptime: number) => uptime < 10

test('tells what was counted between two readings', () => {
  const counters = new ExposedCounters()
  const first = counters.read(page([requests(5)]), isNew)
  expect([...first.counted.values()].map(({ requests }) => requests)).toEqual([5])
  const [key = ''] = first.counted.keys()
  expect(seriesLabels(key)).toMatchObject({ sourceWorkload: 'web', workload: 'api', code: '200', namespace: '' })
  expect([...counters.read(page([requests(7)]), isNew).counted.values()].map(({ requests }) => requests)).toEqual([2])
  expect(counters.read(page([requests(7)]), isNew).counted.size).toBe(0)
})

test('counts from now on for a proxy that was there before, and in full what is new on it', () => {
  const counters = new ExposedCounters()
  expect(counters.read(page([requests(500)], 3600), isNew).counted.size).toBe(0)
  const other = LABELS.replace('web', 'shop')
  const { counted } = counters.read(page([requests(501), requests(3, other)], 3605), isNew)
  expect([...counted.values()].map(({ requests }) => requests)).toEqual([1, 3])
})

test('takes a counter that is less than before for one that began anew', () => {
  const counters = new ExposedCounters()
  counters.read(page([requests(100)]), isNew)
  const { counted, resets } = counters.read(page([requests(4)]), isNew)
  expect([...counted.values()].map(({ requests }) => requests)).toEqual([4])
  expect(resets).toBe(1)
})

test('reads buckets, of which each has those before it in it', () => {
  const counters = new ExposedCounters()
  const name = 'istio_request_duration_milliseconds'
  const bucket = (le: string, count: number) => `${name}_bucket{${LABELS},le="${le}"} ${count}`
  const { counted } = counters.read(
    page([bucket('0.5', 1), bucket('1', 1), bucket('5', 4), bucket('+Inf', 5), `${name}_sum{${LABELS}} 90.5`]),
    isNew,
  )
  const [measurement] = counted.values()
  expect(measurement?.durations).toBe(90.5)
  expect([...(measurement?.buckets ?? [])].filter((count) => count > 0)).toEqual([1, 3, 1])
})

test('counts lines that are none, and reads the others', () => {
  const text = page([
    requests(1),
    'istio_requests_total{broken',
    'istio_requests_total{a="b"} NaN',
    'istio_requests_total{a="b"} -4',
  ])
  const { counted, malformed } = new ExposedCounters().read(text, isNew)
  expect(malformed).toBe(3)
  expect(counted.size).toBe(1)
})

test('understands quotes and braces in values', () => {
  const { counted } = new ExposedCounters().read(
    page([requests(1, String.raw`source_workload="a\"},b=\"c",destination_workload="d"`)]),
    isNew,
  )
  const [key = ''] = counted.keys()
  expect(seriesLabels(key)).toMatchObject({ sourceWorkload: 'a"},b="c', workload: 'd' })
})
