import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ApiServer } from './api-server.ts'
import { ListWatch, type WatchState } from './list-watch.ts'

describe('ListWatch', () => {
  let api: ScriptedApi
  let folder: string
  let ending: AbortController
  let told: string[]
  let states: WatchState[]
  let changed: () => void

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'weft-list-watch-'))
    api = await ScriptedApi.start()
    ending = new AbortController()
    told = []
    states = []
    changed = () => {}
  })
  afterEach(async () => {
    ending.abort()
    await api.close()
    rmSync(folder, { recursive: true })
  })

  /** Follows the scripted server's pods, telling in words. */
  function follow(): Promise<'aborted' | 'not served'> {
    const kubeconfig = join(folder, 'kubeconfig')
    const cluster = { server: api.url, 'insecure-skip-tls-verify': true }
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        'current-context': 'c',
        clusters: [{ name: 'c', cluster }],
        users: [{ name: 'u', user: { token: 'secret' } }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      }),
    )
    const tell = (text: string) => {
      told.push(text)
      changed()
    }
    const watch = new ListWatch<string>(
      new ApiServer({ kubeconfig }),
      { path: '/api/v1/pods', fieldSelector: 'status.phase!=Failed' },
      {
        read: ({ metadata }) => metadata.name,
        replaced: (names) => tell(`all: ${names.join(' ')}`),
        put: (name) => tell(`put ${name}`),
        removed: (name) => tell(`removed ${name}`),
        state: (state) => {
          states.push(state)
          changed()
        },
      },
    )
    return watch.run(ending.signal)
  }

  async function until(isRight: () => boolean): Promise<void> {
    while (!isRight()) {
      await new Promise<void>((resolve) => {
        changed = resolve
      })
    }
  }

  test('streams the first state, then follows; goes on from the last bookmark when the watch ends', async () => {
    api.script(
      (query, answer) => {
        expect(query).toMatchObject({ watch: '1', sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' })
        expect(query).toMatchObject({ allowWatchBookmarks: 'true', fieldSelector: 'status.phase!=Failed' })
        answer.lines(added('a', 3), added('b', 5), endOfList(7), added('c', 8), deleted('a', 9), bookmark(12)).end()
      },
      (query, answer) => {
        expect(query['resourceVersion']).toBe('12')
        expect(query['sendInitialEvents']).toBeUndefined()
        answer.lines(added('d', 13))
      },
    )
    void follow()
    await until(() => told.includes('put d'))
    expect(told).toEqual(['all: a b', 'put c', 'removed a', 'put d'])
    expect(states.map(({ phase }) => phase)).toEqual(['listing', 'watching'])
    expect(api.authorizations).toEqual(new Set(['Bearer secret']))
  })

  test('lists in pages where the server refuses to stream', async () => {
    api.script(
      (_, answer) => answer.status(422, { message: 'sendInitialEvents is forbidden for watch' }),
      (query, answer) => {
        expect(query).toMatchObject({ limit: '500' })
        answer.json({ metadata: { resourceVersion: '20', continue: 'more' }, items: [object('a', 1)] })
      },
      (query, answer) => {
        expect(query['continue']).toBe('more')
        answer.json({ metadata: { resourceVersion: '20' }, items: [object('b', 2)] })
      },
      (query, answer) => {
        expect(query).toMatchObject({ watch: '1', resourceVersion: '20' })
        answer.lines(added('c', 21))
      },
    )
    void follow()
    await until(() => told.includes('put c'))
    expect(told).toEqual(['all: a b', 'put c'])
    expect(states.some(({ phase }) => phase === 'failing')).toBe(false)
  })

  test.each([
    ['as an answer', (answer: Answer) => answer.status(410, { message: 'too old resource version' })],
    ['in the stream', (answer: Answer) => answer.lines(error(410, 'too old resource version'))],
  ])('reads everything anew when its version is forgotten: 410 %s', async (_, refuse) => {
    api.script(
      (_, answer) => answer.lines(added('a', 3), endOfList(7)).end(),
      (query, answer) => {
        expect(query['resourceVersion']).toBe('7')
        refuse(answer)
      },
      (query, answer) => {
        expect(query['sendInitialEvents']).toBe('true')
        answer.lines(added('b', 30), endOfList(31))
      },
    )
    void follow()
    await until(() => told.includes('all: b'))
    expect(told).toEqual(['all: a', 'all: b'])
    // That is how it goes, and nothing to worry anyone.
    expect(states.some(({ phase }) => phase === 'failing')).toBe(false)
  })

  test('stays away as long as a busy server asks it to, and then goes on where it was', async () => {
    let refusedAt = 0
    let backAt = 0
    api.script(
      (_, answer) => answer.lines(added('a', 3), endOfList(7)).end(),
      (_, answer) => {
        refusedAt = performance.now()
        answer.status(429, { message: 'too many requests' }, { 'retry-after': '1' })
      },
      (query, answer) => {
        backAt = performance.now()
        expect(query['resourceVersion']).toBe('7')
        answer.lines(added('b', 8))
      },
    )
    void follow()
    await until(() => told.includes('put b'))
    expect(backAt - refusedAt).toBeGreaterThanOrEqual(1000)
    expect(states).toContainEqual(
      expect.objectContaining({ phase: 'failing', status: 429, problem: 'too many requests' }),
    )
    expect(states.at(-1)?.phase).toBe('watching')
  })

  test('goes on where it was after a cut connection, and never takes half a list or half a line for the truth', async () => {
    api.script(
      (_, answer) => answer.lines(added('a', 3)).end(), // ends before its list is complete
      (_, answer) => answer.lines(added('a', 3), endOfList(7), added('b', 8)).text('{"type":"ADDED","obj').cut(),
      (query, answer) => {
        expect(query['resourceVersion']).toBe('8')
        answer.lines(added('c', 9))
      },
    )
    void follow()
    await until(() => told.includes('put c'))
    expect(told).toEqual(['all: a', 'put b', 'put c'])
    expect(states).toContainEqual(expect.objectContaining({ status: 503 }))
    expect(states).toContainEqual(expect.objectContaining({ status: 0 }))
  })

  test('reads everything anew after an answer that makes no sense', async () => {
    api.script(
      (_, answer) => answer.lines(added('a', 3), endOfList(7)).text('<html>\n'),
      (query, answer) => {
        expect(query['sendInitialEvents']).toBe('true')
        answer.lines(added('a', 3), endOfList(9))
      },
    )
    void follow()
    await until(() => told.length === 2)
    expect(told).toEqual(['all: a', 'all: a'])
  })

  test('hands a line over whole wherever the network cuts it', async () => {
    const lines = `${JSON.stringify(added('über', 3))}\n${JSON.stringify(endOfList(7))}\n`
    const bytes = Buffer.from(lines)
    const middle = bytes.indexOf(0xc3) + 1 // inside a character of two bytes
    api.script(
      (_, answer) => void answer.text(bytes.subarray(0, middle)).later(() => answer.text(bytes.subarray(middle))),
    )
    void follow()
    await until(() => told.length > 0)
    expect(told).toEqual(['all: über'])
  })

  test('ends when the collection is not served, with nothing removed', async () => {
    api.script((_, answer) => answer.status(404, { message: 'the server could not find the requested resource' }))
    expect(await follow()).toBe('not served')
    expect(told).toEqual([])
  })

  test('ends when it is told to', async () => {
    api.script((_, answer) => answer.lines(added('a', 3), endOfList(7)))
    const end = follow()
    await until(() => told.length > 0)
    ending.abort()
    expect(await end).toBe('aborted')
  })
})

type Query = Readonly<Record<string, string>>
type Step = (query: Query, answer: Answer) => void

/** Answers each request by the next step of a script. */
class ScriptedApi {
  readonly #server: Server
  readonly authorizations = new Set<string | undefined>()
  #steps: Step[] = []
  #failure: unknown

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<ScriptedApi> {
    const api: ScriptedApi = new ScriptedApi(createServer((request, response) => api.#answer(request, response)))
    api.#server.listen(0, '127.0.0.1')
    await once(api.#server, 'listening')
    return api
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  script(...steps: Step[]): void {
    this.#steps = steps
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
    if (this.#failure) throw this.#failure
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url)
    this.authorizations.add(request.headers.authorization)
    const step = this.#steps.shift()
    if (!step) return // the script is over: the request waits
    try {
      expect(pathname).toBe('/api/v1/pods')
      step(Object.fromEntries(searchParams), new Answer(response))
    } catch (error) {
      this.#failure ??= error
      response.destroy()
    }
  }
}

class Answer {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  lines(...events: readonly unknown[]): this {
    return this.text(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  }

  text(text: string | Buffer): this {
    this.#response.write(text)
    return this
  }

  later(task: () => void): this {
    setTimeout(task, 20)
    return this
  }

  end(): void {
    this.#response.end()
  }

  /** Once all that was written is out. */
  cut(): void {
    this.#response.write('', () => setImmediate(() => this.#response.destroy()))
  }

  json(value: unknown): void {
    this.#response.end(JSON.stringify(value))
  }

  status(code: number, status: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(code, headers).end(JSON.stringify(status))
  }
}

function object(name: string, version: number, annotations?: Readonly<Record<string, string>>) {
  return {
    metadata: { name, namespace: 'default', resourceVersion: String(version), ...(annotations ? { annotations } : {}) },
  }
}

function added(name: string, version: number) {
  return { type: 'ADDED', object: object(name, version) }
}

function deleted(name: string, version: number) {
  return { type: 'DELETED', object: object(name, version) }
}

function bookmark(version: number) {
  return { type: 'BOOKMARK', object: object('', version) }
}

function endOfList(version: number) {
  return { type: 'BOOKMARK', object: object('', version, { 'k8s.io/initial-events-end': 'true' }) }
}

function error(code: number, message: string) {
  return { type: 'ERROR', object: { kind: 'Status', code, message } }
}
