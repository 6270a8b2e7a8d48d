import { chownSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import type { Log } from '../../identity/log.ts'
import { readPrivateFile, writeAtomically } from '../../identity/private-files.ts'
import { QUIET_ABOUT_WASM } from '../../translate/metrics/metric-names.ts'
import { Child } from '../supervise/child.ts'
import { activeRequests, drainEnvoy, isEnvoyReady } from '../supervise/envoy-admin.ts'

export interface HostProxyOptions {
  /** Path of the binary. */
  readonly envoy: string
  /** Its own, for it and its agent alone. */
  readonly folder: string
  readonly bootstrap: string
  readonly adminSocket: string
  /** What telemetry calls its workload. */
  readonly env: Readonly<Record<string, string>>
  /** As whom it runs, if not as its agent. */
  readonly user?: { readonly uid: number; readonly gid: number }
  readonly log: Log
}

const LOOK_MS = 100
/** How long requests that are under way may take when it is to end, in ms. */
const GRACE_MS = 10_000

/** The Envoy of a host: kept running, and left running when its agent is killed: the next one goes on with it. */
export class HostProxy {
  readonly #options: HostProxyOptions
  readonly #child: Child
  readonly #stopping = new AbortController()
  /** One that an agent before this one has started. */
  #adopted: Process | undefined

  constructor(options: HostProxyOptions) {
    this.#options = options
    const { folder, envoy, env, user, log } = options
    const command = [
      envoy,
      ...['--config-path', join(folder, 'bootstrap.json')],
      ...['--disable-hot-restart', '--concurrency', '2', '--log-level', 'warning'],
      ...['--component-log-level', QUIET_ABOUT_WASM],
      ...['--drain-time-s', '45', '--drain-strategy', 'immediate', '--file-flush-interval-msec', '1000'],
    ]
    this.#child = new Child(() => ({ command, folder, env, log: join(folder, 'envoy.log'), ...(user && { user }) }), {
      onStart: (pid) => writeAtomically(this.#pidFile, JSON.stringify(processNow(pid) ?? {})),
      onCrash: ({ reason, delay, news }) => {
        if (news) log('error', `the proxy ${reason}; starts it again in ${delay} ms`)
      },
    })
  }

  /** Goes on with the one that runs, if it was started with the same bootstrap, else ends that and starts another. */
  async start(): Promise<void> {
    const { folder, bootstrap, user, log } = this.#options
    const path = join(folder, 'bootstrap.json')
    const running = this.#running()
    const isSame = running && readPrivateFile(path) === bootstrap
    if (running && !isSame) await end(running)
    if (running && isSame) {
      log('info', `goes on with the proxy that runs, process ${running.pid}`)
      this.#adopted = running
      void this.#watch(running)
      return
    }
    writeAtomically(path, bootstrap)
    if (user) chownSync(path, user.uid, user.gid)
    this.#child.start()
  }

  /** Resolves when it has its configuration; rejects when `signal` ends that. */
  async ready(signal: AbortSignal): Promise<void> {
    while (!(await isEnvoyReady(this.#options.adminSocket))) await after(LOOK_MS, undefined, { signal })
  }

  /** Ends it, after the requests that it has. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    const { adminSocket } = this.#options
    await drainEnvoy(adminSocket)
    const deadline = performance.now() + GRACE_MS
    while (performance.now() < deadline && ((await activeRequests(adminSocket)) ?? 0) > 0) await after(LOOK_MS)
    if (this.#adopted) await end(this.#adopted)
    await this.#child.stop(GRACE_MS)
  }

  get #pidFile(): string {
    return join(this.#options.folder, 'envoy.pid')
  }

  #running(): Process | undefined {
    const text = readPrivateFile(this.#pidFile)
    const written = text === undefined ? undefined : (JSON.parse(text) as Partial<Process>)
    const now = written?.pid === undefined ? undefined : processNow(written.pid)
    return now?.started === written?.started ? now : undefined
  }

  async #watch(running: Process): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted && isRunning(running)) await after(LOOK_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    this.#adopted = undefined
    this.#options.log('error', `the proxy, process ${running.pid}, has ended; starts it again`)
    this.#child.start()
  }
}

/** A process, and not another that has its number later. */
interface Process {
  readonly pid: number
  /** In ticks since the machine's start: `starttime` of /proc/PID/stat. */
  readonly started: string
}

/** Undefined where it has ended. */
function processNow(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // From field 3, the state, on: starttime is field 22.
    return /^[ZX]/.test(fields[0] ?? '') ? undefined : { pid, started: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

function isRunning({ pid, started }: Process): boolean {
  return processNow(pid)?.started === started
}

async function end(running: Process): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGTERM', GRACE_MS],
    ['SIGKILL', GRACE_MS],
  ] as const) {
    if (!isRunning(running)) return
    process.kill(running.pid, signal)
    const deadline = performance.now() + waitMs
    while (isRunning(running) && performance.now() < deadline) await after(LOOK_MS)
  }
}
