import { Agent, request } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { WELL_KNOWN } from '../../../mesh/model.ts'
import type { Pod } from '../../../resources/core.ts'
import type { Mesh } from '../../mesh.ts'
import type { Entrance } from './estate.ts'

/** How often somebody comes to each entrance, in ms. */
const EVERY_MS = 300
/** Of those who wait at one entrance; who comes then goes again, uncounted. */
const MOST_WAITING = 8
/** Longer than anything takes that is not broken, in ms. */
const LONGEST_MS = 20_000
/** How often it is looked where to go, in ms: as long as a name is remembered. */
const LOOK_MS = 300

/** The connection was refused: nothing was sent. */
const NOBODY_HOME = 'nobody takes connections there'
const MOST_ADDRESSES = 5

interface Place {
  readonly host: string
  readonly port: number
}

export interface FailedVisit {
  /** RFC 3339. */
  readonly at: string
  readonly application: string
  readonly problem: string
}

/**
 * People who come from outside all the time, and know of each visit that failed. They go to the pods themselves, by turns, until `byGateway` says that the name leads to the
 * gateway now.
 */
export class Visitors {
  readonly failed: FailedVisit[] = []
  readonly #mesh: Mesh
  readonly #byGateway: (application: string) => boolean
  readonly #agent = new Agent({ keepAlive: false })
  readonly #over = new AbortController()
  readonly #running: Promise<void>[]
  #pods: readonly Pod[] = []
  #visits = 0

  constructor(mesh: Mesh, entrances: readonly Entrance[], byGateway: (application: string) => boolean) {
    this.#mesh = mesh
    this.#byGateway = byGateway
    this.#running = [this.#look(), ...entrances.map((entrance) => this.#come(entrance))]
  }

  get visits(): number {
    return this.#visits
  }

  /** Resolves when the last of them has gone. */
  async stop(): Promise<void> {
    this.#over.abort()
    await Promise.all(this.#running)
  }

  async #look(): Promise<void> {
    while (!this.#over.signal.aborted) {
      // A server that starts again answers in a moment; until then it is as it was.
      this.#pods = await this.#mesh
        .get<readonly Pod[]>(`resources/${encodeURIComponent('core/Pod')}`)
        .catch(() => this.#pods)
      await this.#rest(LOOK_MS)
    }
  }

  async #come(entrance: Entrance): Promise<void> {
    const waiting = new Set<Promise<void>>()
    for (let turn = 0; !this.#over.signal.aborted; turn++) {
      const place = this.#place(entrance, turn)
      if (place && waiting.size < MOST_WAITING) {
        const visit = this.#visit(entrance, place, turn).finally(() => waiting.delete(visit))
        waiting.add(visit)
      }
      await this.#rest(EVERY_MS)
    }
    await Promise.all(waiting)
  }

  #place({ application, gateway, targetPort }: Entrance, turn: number): Place | undefined {
    const namespace = application.slice(0, application.indexOf('/'))
    const [labels, port] = this.#byGateway(application)
      ? ([[WELL_KNOWN.gatewayName, gateway.service], undefined] as const)
      : ([['app', gateway.service], targetPort] as const)
    const pods = this.#pods.filter(
      ({ metadata, status }) =>
        metadata.namespace === namespace &&
        metadata.labels?.[labels[0]] === labels[1] &&
        metadata.deletionTimestamp === undefined &&
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    )
    const host = pods[turn % pods.length]?.status?.podIP
    return host === undefined ? undefined : { host, port: port ?? gateway.port }
  }

  /** One visit. Where nobody is at home any more, the next address is tried, as browsers do. */
  async #visit(entrance: Entrance, first: Place, turn: number): Promise<void> {
    let place = first
    let problem = await this.#ask(entrance, place)
    for (let attempt = 1; problem === NOBODY_HOME && attempt < MOST_ADDRESSES; attempt++) {
      await this.#rest(LOOK_MS)
      place = this.#place(entrance, turn + attempt) ?? place
      problem = await this.#ask(entrance, place)
    }
    this.#visits++
    if (problem === undefined) return
    const at = new Date().toISOString()
    this.failed.push({ at, application: entrance.application, problem: `${place.host}:${place.port}: ${problem}` })
  }

  /** What is wrong with the answer, or with there being none. */
  #ask({ gateway, path, broken }: Entrance, place: Place): Promise<string | undefined> {
    return new Promise<string | undefined>((resolve) => {
      const headers = { host: gateway.hostname }
      const signal = AbortSignal.timeout(LONGEST_MS)
      const outgoing = request({ ...place, path, headers, agent: this.#agent, signal }, (incoming) => {
        let body = ''
        incoming.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        incoming.on('error', (error) => resolve(`the answer was cut: ${error.message}`))
        incoming.on('end', () => {
          if (incoming.statusCode !== 200) resolve(`status ${incoming.statusCode}: ${body.slice(0, 400)}`)
          else resolve(broken?.exec(body)?.[0])
        })
      })
      outgoing.on('error', (error: NodeJS.ErrnoException) =>
        resolve(error.code === 'ECONNREFUSED' ? NOBODY_HOME : error.message),
      )
      outgoing.end()
    })
  }

  #rest(ms: number): Promise<void> {
    return after(ms, undefined, { signal: this.#over.signal }).catch(() => {})
  }
}
