// A real mesh for tests: `weft up` as a child process, with real Envoys, in folders and under a name of its own.
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { findEnvoy } from '../../src/agent/envoy-binary.ts'
import { askEnvoy } from '../../src/agent/supervise/envoy-admin.ts'
import { podSocket, runFile } from '../../src/agent/supervise/folders.ts'
import { markedProcesses } from '../../src/agent/supervise/sweep.ts'
import type { ReadFile } from '../../src/sources/files/files.ts'
import type { DesiredPod } from '../../src/sources/local-cluster/pod-plan.ts'
import type { ProxyStatus } from '../../src/xds/status.ts'
import { type Answer, type Load, type LoadOptions, load } from './load.ts'

export const checkout = fileURLToPath(new URL('../../', import.meta.url))

export interface MeshOptions {
  /** YAML files that are copied into the folder that the mesh follows. */
  readonly files?: readonly string[]
  /** More files for that folder: text by name. */
  readonly texts?: Readonly<Record<string, string>>
  /** Further arguments of `weft up`; `--demo` instead of files. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** How long it may take to come up, in ms. */
  readonly timeout?: number
}

/** Starts a mesh and resolves when it says that it is ready. */
export async function startMesh(options: MeshOptions = {}): Promise<TestMesh> {
  const mesh = await launchMesh(options)
  try {
    await mesh.line(/^Mesh .* is ready/, options.timeout ?? 90_000)
  } catch (error) {
    await mesh.dispose()
    throw error
  }
  return mesh
}

/** Starts `weft up` and resolves at once. */
export async function launchMesh(options: MeshOptions = {}): Promise<TestMesh> {
  const home = mkdtempSync(join(tmpdir(), 'wm-'))
  const folder = join(home, 'yaml')
  mkdirSync(folder)
  for (const file of options.files ?? []) copyFileSync(file, join(folder, basename(file)))
  for (const [name, text] of Object.entries(options.texts ?? {})) writeFileSync(join(folder, name), text)
  const args = options.args ?? []
  const named = args.includes('--demo') ? [] : ['-f', folder]
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? home,
    XDG_RUNTIME_DIR: home,
    XDG_STATE_HOME: join(home, 'state'),
    ENVOY_PATH: await findEnvoy(),
    NO_COLOR: '1',
    ...options.env,
  }
  return new TestMesh(home, folder, ['up', ...named, ...args], env)
}

/** What is known of a request through the mesh. */
export interface Called extends Answer {
  readonly body: string
}

export class TestMesh implements AsyncDisposable {
  readonly home: string
  /** The folder that the mesh follows. With `--demo` it follows another one. */
  readonly folder: string
  readonly process: ChildProcess
  /** What it printed so far, line by line, on either output. */
  readonly output: string[] = []
  readonly exited: Promise<number | null>
  readonly #env: Record<string, string>
  readonly #waiting = new Set<() => void>()

  constructor(home: string, folder: string, args: readonly string[], env: Record<string, string>) {
    this.home = home
    this.folder = args.includes('--demo') ? join(home, 'weft', 'demo', 'yaml') : folder
    this.#env = env
    this.process = spawn(process.execPath, [join(checkout, 'bin', 'weft.js'), ...args], {
      env,
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (!stream) continue
      createInterface(stream).on('line', (line) => {
        this.output.push(line)
        for (const look of this.#waiting) look()
      })
    }
    this.exited = new Promise((resolve) => this.process.on('exit', (code) => resolve(code)))
    void this.exited.then(() => {
      for (const look of this.#waiting) look()
    })
  }

  /** The first printed line that matches, at or after line `from`; waits for it. */
  line(pattern: RegExp, timeout = 30_000, from = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const failed = (why: string) =>
        done(() => reject(new Error(`${why} before it said ${pattern}:\n${this.output.join('\n')}\n${this.logs()}`)))
      const look = () => {
        const found = this.output.slice(from).find((line) => pattern.test(line))
        if (found !== undefined) done(() => resolve(found))
        else if (this.process.exitCode !== null || this.process.signalCode !== null) failed('weft up ended')
      }
      const timer = setTimeout(() => failed(`${timeout} ms went by`), timeout)
      this.#waiting.add(look)
      look()
    })
  }

  /** The run folder. */
  get run(): string {
    const ready = this.output.map((line) => /^Mesh (\S+) is ready/.exec(line)?.[1]).find(Boolean)
    return join(this.#env['XDG_RUNTIME_DIR'] ?? this.home, 'weft', ready ?? this.#name())
  }

  /** Base URL of the first gateway. */
  async gateway(): Promise<string> {
    const gateway = (await this.pods()).find(({ role, terminating }) => role === 'gateway' && !terminating)
    if (!gateway) throw new Error('the mesh has no gateway')
    return `http://${gateway.address}:${gateway.listens[0]}`
  }

  /** The pods that should run. */
  async pods(): Promise<DesiredPod[]> {
    return new Promise((resolve, reject) => {
      const socketPath = runFile({ run: this.run }, 'serverSocket')
      const outgoing = request({ socketPath, path: '/api/v1/pods', agent: false }, (incoming) => {
        incoming.on('error', () => {})
        createInterface(incoming)
          .on('error', () => {})
          .once('line', (line) => {
            resolve(JSON.parse(line) as DesiredPod[])
            outgoing.destroy()
          })
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  async pod(name: string): Promise<TestPod> {
    const pods = await this.pods()
    const pod = pods.find((pod) => pod.name === name)
    if (!pod) throw new Error(`there is no pod ${name}: ${pods.map(({ name }) => name).join(', ')}`)
    return new TestPod(this, pod)
  }

  /** What the server's API has at a path below /api/v1/. */
  async api<T>(path: string): Promise<T> {
    const { body } = await askEnvoy(runFile({ run: this.run }, 'serverSocket'), 'GET', `/api/v1/${path}`, 30_000)
    return JSON.parse(body) as T
  }

  /** Resolves when the mesh has read its files as they are now, and every proxy that is connected has taken what follows. */
  async synced(timeout = 30_000): Promise<void> {
    await until(timeout, async () => {
      const files = await this.api<ReadFile[]>('files')
      return files.every(({ path, modified, settling }) => !settling && modified === modifiedAt(path))
    })
    await until(timeout, async () => {
      const proxies = await this.api<ProxyStatus[]>('proxies')
      return (
        proxies.length > 0 &&
        proxies.every(({ types }) => types.every(({ state }) => state !== 'stale' && state !== 'not sent'))
      )
    })
  }

  /** Puts a text into a file of the mesh's folder, and waits until the mesh has read it and every proxy has what follows. */
  async write(name: string, text: string): Promise<void> {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    const modified = modifiedAt(path)
    await this.#read(path, (file) => file?.modified === modified)
  }

  /** The same with a file of the checkout. */
  copy(file: string, name = basename(file)): Promise<void> {
    return this.write(name, readFileSync(join(checkout, file), 'utf8'))
  }

  async remove(name: string): Promise<void> {
    const path = join(this.folder, name)
    rmSync(path)
    await this.#read(path, (file) => file === undefined)
  }

  /** A steady load on a path of the gateway, or on a whole URL, until it is stopped. */
  async load(path: string, options: LoadOptions = {}): Promise<Load> {
    return load(path.startsWith('http') ? path : `${await this.gateway()}${path}`, options)
  }

  /** A GET through the gateway. */
  async get(path: string, headers: Record<string, string> = {}): Promise<Called> {
    return get(`${await this.gateway()}${path}`, headers)
  }

  /** Runs a command of Weft against this mesh. */
  weft(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const child = this.start(...args)
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      child.on('close', (code) => resolve({ code, stdout, stderr }))
    })
  }

  /** The same as a process, to be killed. */
  start(...args: string[]): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [join(checkout, 'bin', 'weft.js'), ...args], {
      env: this.#env,
      cwd: this.home,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** All of the mesh's processes but `weft up` itself. */
  processes(): { pid: number; command: string; pod: string | undefined }[] {
    return markedProcesses({ WEFT_MESH: this.run }).flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        const pod = /(?:^|\0)WEFT_POD=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1]
        return [{ pid, command, pod }]
      } catch {
        return []
      }
    })
  }

  /** Process id of the server or the agent; undefined while it is being started again. */
  planePid(part: 'server' | 'agent'): number | undefined {
    return this.processes().find(({ command, pod }) => pod === undefined && command.includes(`weft.js ${part} `))?.pid
  }

  /** What the processes logged: for the message of a test that failed. */
  logs(): string {
    return ['server', 'agent']
      .map((name) => {
        try {
          return `--- ${name}.log\n${readFileSync(join(runFile({ run: this.run }, 'logs'), `${name}.log`), 'utf8').slice(-3000)}`
        } catch {
          return ''
        }
      })
      .join('\n')
  }

  /** Ends it as Ctrl-C does; gives its exit code. */
  async stop(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGINT')
    return this.exited
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.home, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #read(path: string, isNew: (file: ReadFile | undefined) => boolean): Promise<void> {
    await until(30_000, async () => isNew((await this.api<ReadFile[]>('files')).find((file) => file.path === path)))
    await this.synced()
  }

  #name(): string {
    const args = this.process.spawnargs
    const at = args.indexOf('--name')
    return (at >= 0 ? args[at + 1] : undefined) ?? (args.includes('--demo') ? 'demo' : 'default')
  }
}

/** When a file was written, in ms, as the server has it: a double may round up to the next millisecond. */
function modifiedAt(path: string): number | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found && Number(found.mtimeMs)
}

/** A pod of a mesh under test. */
export class TestPod {
  readonly #mesh: TestMesh
  readonly plan: DesiredPod

  constructor(mesh: TestMesh, plan: DesiredPod) {
    this.#mesh = mesh
    this.plan = plan
  }

  /** What the administration of its Envoy answers to a GET. */
  async admin(path: string): Promise<string> {
    return (await askEnvoy(podSocket({ run: this.#mesh.run }, this.plan.address, 'admin'), 'GET', path, 30_000)).body
  }

  /** The counters and gauges of its Envoy whose name matches. */
  async stats(pattern: RegExp): Promise<Map<string, number>> {
    const text = await this.admin('/stats')
    const lines = text.split('\n').flatMap((line) => {
      const [name = '', value = ''] = line.split(/: (?=\S+$)/)
      return pattern.test(name) ? [[name, Number(value)] as const] : []
    })
    return new Map(lines)
  }

  pid(part: 'envoy' | 'application'): number {
    const own = this.#mesh.processes().filter(({ pod }) => pod === this.plan.key)
    const found = own.find(({ command }) => command.includes('--config-path') === (part === 'envoy'))
    if (!found) throw new Error(`${part} of ${this.plan.key} does not run`)
    return found.pid
  }
}

/** A GET of a URL; an answer of any status is an answer. */
export function get(url: string, headers: Record<string, string> = {}): Promise<Called> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, agent: false, signal: AbortSignal.timeout(30_000) }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** Looks again and again until `holds`; for states that nobody announces. @throws Error after `timeout` ms */
export async function until(timeout: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + timeout
  for (;;) {
    if (await Promise.resolve(holds()).catch(() => false)) return
    if (performance.now() > end) throw new Error(`${timeout} ms went by without: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
