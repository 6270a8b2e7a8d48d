import { readFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { MeshOfEnvoys } from '../test/translate/mesh-of-envoys.ts'
import { testPod } from '../test/translate/test-pods.ts'
import { accessLog, NO_METRICS, POLICY, STRICT, telemetry } from './pair-policies.ts'
import { type Column, figure, head, row } from './table.ts'

/** What one pair of sidecars did for its requests. */
export interface PairCost {
  readonly name: string
  /** CPU of both proxies for a request, in µs. */
  readonly cpu: number
  /** Memory of both, in MiB. */
  readonly memory: number
  /** Of requests, 16 at a time, in ms. */
  readonly p50: number
  readonly p99: number
}

const HOST = 'echo.default.svc.cluster.local'
const PORT = 8080
const ROUNDS = 5
const REQUESTS = 3000
const AT_ONCE = 16
/** Of the kernel's clock, in ms. */
const TICK_MS = 10
const PAGE_BYTES = 4096

const BASE = `
apiVersion: v1
kind: Service
metadata: { name: echo }
spec: { selector: { app: echo }, ports: [{ name: http, port: ${PORT} }] }
`

const NO_LOG = accessLog('')
const traced = (percent: number) =>
  `{ tracing: [{ providers: [{ name: weft }], randomSamplingPercentage: ${percent} }], ${NO_METRICS} }`

/** Each by itself beside nothing, and all together. */
const PAIRS: readonly (readonly [name: string, ...yaml: readonly string[]])[] = [
  ['nothing', NO_LOG, telemetry(`{ ${NO_METRICS} }`)],
  ['authorization', NO_LOG, telemetry(`{ ${NO_METRICS} }`), POLICY],
  ['metrics', NO_LOG],
  ['access log', accessLog('/dev/stdout'), telemetry(`{ ${NO_METRICS} }`)],
  ['tracing, 1 %', NO_LOG, telemetry(traced(1))],
  ['tracing, 100 %', NO_LOG, telemetry(traced(100))],
  [
    'all of it',
    accessLog('/dev/stdout'),
    telemetry('{ tracing: [{ providers: [{ name: weft }], randomSamplingPercentage: 1 }] }'),
    POLICY,
  ],
]

class Pair {
  readonly name: string
  readonly #mesh: MeshOfEnvoys
  readonly #via: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  readonly #cpu: number[] = []
  readonly #times: number[] = []
  readonly #end: () => void

  constructor(name: string, mesh: MeshOfEnvoys, via: string, end: () => void) {
    this.name = name
    this.#mesh = mesh
    this.#via = via
    this.#end = end
  }

  static async start(name: string, yaml: readonly string[]): Promise<Pair> {
    const mesh = await MeshOfEnvoys.start()
    const client = await testPod({ name: 'client', labels: { app: 'client', version: 'v1' } })
    const serves = { echo: { http: PORT } }
    const echo = await testPod({ name: 'echo', labels: { app: 'echo', version: 'v1' }, serves })
    const server = createServer((_, response) => response.end('ok')).listen(PORT, echo.appAddress)
    mesh.apply(BASE, STRICT, ...yaml, client.yaml, echo.yaml)
    await mesh.startProxies()
    return new Pair(name, mesh, client.address, () => server.close())
  }

  /** @param counts whether it is more than to warm up */
  async round(requests: number, counts: boolean): Promise<void> {
    const before = this.#ticks()
    const times: number[] = []
    let left = requests
    const work = async () => {
      while (left-- > 0) {
        const began = performance.now()
        await this.#ask()
        times.push(performance.now() - began)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    if (!counts) return
    this.#cpu.push(((this.#ticks() - before) * TICK_MS * 1000) / requests)
    this.#times.push(...times)
  }

  get cost(): PairCost {
    const memory = this.#sum((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES)
    const at = (share: number, of: readonly number[]) =>
      of.toSorted((a, b) => a - b)[Math.floor(of.length * share)] ?? Number.NaN
    return {
      name: this.name,
      cpu: at(0.5, this.#cpu),
      memory: memory / 2 ** 20,
      p50: at(0.5, this.#times),
      p99: at(0.99, this.#times),
    }
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    this.#end()
    await this.#mesh.stop()
  }

  #ask(): Promise<void> {
    return new Promise((resolve, reject) => {
      const options = { host: this.#via, port: 15001, agent: this.#agent, path: `http://${HOST}:${PORT}/` }
      request({ ...options, headers: { host: `${HOST}:${PORT}` } }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`${this.name}: answered ${response.statusCode}`))
        response.resume().on('end', resolve)
      })
        .on('error', reject)
        .end()
    })
  }

  /** CPU that both have used: fields 14 and 15 of proc_pid_stat(5), counted behind the name. */
  #ticks(): number {
    return this.#sum((pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return Number(fields[11]) + Number(fields[12])
    })
  }

  #sum(of: (pid: number) => number): number {
    return this.#mesh.pids().reduce((all, pid) => all + of(pid), 0)
  }
}

/** What each thing in the path of a request costs a pair of sidecars: all pairs in turn, round after round. */
export async function measureTelemetryCost(): Promise<readonly PairCost[]> {
  const pairs: Pair[] = []
  try {
    for (const [name, ...yaml] of PAIRS) pairs.push(await Pair.start(name, yaml))
    for (const pair of pairs) await pair.round(REQUESTS / 5, false)
    for (let round = 0; round < ROUNDS; round++) for (const pair of pairs) await pair.round(REQUESTS, true)
    return pairs.map(({ cost }) => cost)
  } finally {
    for (const pair of pairs) await pair.stop()
  }
}

/** For people. */
export function telemetryCostText(costs: readonly PairCost[]): string {
  const columns: Column[] = [
    ['two sidecars with', 18],
    ['CPU µs/request', 15],
    ['more than nothing', 18],
    ['MiB', 8],
    ['p50 ms', 8],
    ['p99 ms', 8],
  ]
  const [nothing] = costs
  const lines = costs.map((cost) => {
    const more = cost.cpu - (nothing?.cpu ?? 0)
    return row(columns, [cost.name, ...[cost.cpu, more, cost.memory, cost.p50, cost.p99].map(figure)])
  })
  return [head(columns), ...lines].join('\n')
}
