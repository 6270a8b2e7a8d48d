import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ApiError, type ApiRequest, type ApiServer } from '../../sources/kubernetes/api-server.ts'
import { LiveStatuses } from '../../sources/kubernetes/live-statuses.ts'
import { StatusWriter } from './status-writer.ts'
import { condition, type WantedConditions } from './wanted-status.ts'

const KIND = 'gateway.networking.k8s.io/Gateway'

/** Answers what a test says, in order; then as an API server that takes everything. */
class StandIn {
  readonly requests: ApiRequest[] = []
  /** When each of them came, in ms. */
  readonly times: number[] = []
  readonly answers: (Error | 'taken' | (() => void))[] = []
  /** A field of statuses that it does not know. */
  prunes: string | undefined
  #version = 100

  readonly send = async (request: ApiRequest): Promise<unknown> => {
    this.requests.push(request)
    this.times.push(performance.now())
    const answer = this.answers.shift() ?? 'taken'
    await pause(1)
    if (typeof answer === 'function') answer()
    if (answer instanceof Error) throw answer
    const { [this.prunes ?? '']: _, ...status } = (request.body as { status: Record<string, unknown> }).status
    return { metadata: { resourceVersion: String(++this.#version) }, status }
  }
}

function wanted(reason: string): WantedConditions {
  return { form: 'conditions', generation: 1, conditions: [condition('Accepted', true, reason)] }
}

describe('StatusWriter', () => {
  let ending: AbortController
  let server: StandIn
  let statuses: LiveStatuses
  let writer: StatusWriter
  let logged: string[]

  beforeEach(() => {
    ending = new AbortController()
    server = new StandIn()
    statuses = new LiveStatuses()
    logged = []
    const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
    const options = { server: server as unknown as ApiServer, statuses, withdrawn: () => undefined, log }
    writer = new StatusWriter(options, ending.signal)
  })
  afterEach(() => ending.abort())

  const live = (name: string, resourceVersion: string, status?: object) =>
    statuses.put(KIND, {
      key: `shop/${name}`,
      apiVersion: 'gateway.networking.k8s.io/v1',
      resourceVersion,
      status: status as Readonly<Record<string, unknown>> | undefined,
    })
  const want = (...entries: readonly (readonly [string, WantedConditions])[]) =>
    writer.want(new Map([[KIND, new Map(entries.map(([name, status]) => [`shop/${name}`, status]))]]))
  const versions = () =>
    server.requests.map(({ body }) => (body as { metadata: { resourceVersion: string } }).metadata.resourceVersion)

  test('writes once what is wanted, at the version that it saw', async () => {
    live('web', '7')
    want(['web', wanted('Accepted')])
    await expect.poll(() => writer.idle).toBe(true)
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]?.path).toMatch(
      /^\/apis\/gateway.networking.k8s.io\/v1\/namespaces\/shop\/gateways\/web\/status\?/,
    )
    expect(versions()).toEqual(['7'])
    // The watch tells what was just written, late, and the same is wanted by another object.
    live('web', '7')
    want(['web', wanted('Accepted')])
    await pause(20)
    expect(server.requests).toHaveLength(1)
  })

  test('tries again with what the watch tells when it was too late, and not before', async () => {
    live('web', '7')
    server.answers.push(new ApiError(409, 'conflict'))
    want(['web', wanted('Accepted')])
    await pause(50)
    expect(versions()).toEqual(['7'])
    live('web', '8', { conditions: [{ type: 'Theirs', status: 'True' }] })
    await expect.poll(() => versions()).toEqual(['7', '8'])
    const body = server.requests[1]?.body as { status: { conditions: { type: string }[] } } | undefined
    expect(body?.status.conditions.map(({ type }) => type)).toEqual(['Theirs', 'Accepted'])
  })

  test('tries again at once when the watch was faster than the answer', async () => {
    live('web', '7')
    server.answers.push(() => {
      live('web', '8')
      throw new ApiError(409, 'conflict')
    })
    want(['web', wanted('Accepted')])
    await expect.poll(() => versions()).toEqual(['7', '8'])
  })

  test('leaves a busy server alone for as long as it asks, says so once, and loses nothing', async () => {
    for (const name of ['a', 'b', 'c']) live(name, '7')
    for (let i = 0; i < 3; i++) server.answers.push(new ApiError(429, 'too many requests', 300))
    want(['a', wanted('Accepted')], ['b', wanted('Accepted')], ['c', wanted('Accepted')])
    await expect.poll(() => server.requests.length).toBe(6)
    const [refused = 0, , , again = 0] = server.times
    // Timers may come a little early.
    expect(again - refused).toBeGreaterThan(290)
    await expect.poll(() => writer.idle).toBe(true)
    expect(logged).toEqual([
      'warning: cannot write statuses: too many requests; they are written as soon as they can be',
      'info: writes statuses again',
    ])
  })

  test('offers what is refused once, and something else again', async () => {
    live('web', '7')
    server.answers.push(new ApiError(422, 'is invalid'))
    const first = wanted('Odd')
    want(['web', first])
    await expect.poll(() => logged).toEqual(['error: cannot write the status of Gateway shop/web: is invalid'])
    live('web', '8')
    want(['web', first])
    await pause(50)
    expect(server.requests).toHaveLength(1)
    want(['web', wanted('Accepted')])
    await expect.poll(() => server.requests.length).toBe(2)
  })

  test('does not write again what definitions that are older have no field for', async () => {
    live('web', '7')
    server.prunes = 'addresses'
    const some = { ...wanted('Accepted'), fields: { addresses: [] } }
    want(['web', some])
    await expect.poll(() => writer.idle).toBe(true)
    live('web', '101', { conditions: [] })
    await pause(50)
    expect(server.requests).toHaveLength(1)
  })

  test('forgets objects that are gone, and writes no more when it leads no more', async () => {
    live('web', '7')
    server.answers.push(new ApiError(404, 'not found'))
    want(['web', wanted('Accepted')])
    await expect.poll(() => writer.idle).toBe(true)
    statuses.remove(KIND, 'shop/web')
    ending.abort()
    live('other', '9')
    want(['other', wanted('Accepted')])
    await pause(50)
    expect(server.requests).toHaveLength(1)
    expect(logged).toEqual([])
  })
})
