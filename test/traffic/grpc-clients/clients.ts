import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { CACHE, pythonPackages } from '../python-packages.ts'

const run = promisify(execFile)
const here = import.meta.dirname

/** What a call came to. */
export interface Outcome {
  readonly answer?: string
  /** gRPC's status, where it failed. */
  readonly code?: number
  readonly details?: string
}

/** How to start a client in some language; undefined where the machine cannot, with the reason printed. */
export const LANGUAGES: Readonly<Record<string, () => Promise<Command | undefined>>> = {
  'grpc-js': () => Promise.resolve({ command: process.execPath, args: [join(here, 'js.ts')], env: {} }),
  'Python grpcio': python,
  'grpc-go': go,
}

interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const GRPCIO = '1.76.0'

async function python(): Promise<Command | undefined> {
  const packages = await pythonPackages('grpcio', GRPCIO)
  return packages ? { command: 'python3', args: [join(here, 'python.py')], env: { PYTHONPATH: packages } } : undefined
}

async function go(): Promise<Command | undefined> {
  const program = join(CACHE, 'grpc-go-client')
  mkdirSync(CACHE, { recursive: true })
  try {
    // Quick where nothing changed: Go keeps what it built.
    await run('go', ['build', '-o', program, '.'], {
      cwd: join(here, 'go'),
      env: { ...process.env, GOFLAGS: '-mod=mod' },
    })
  } catch (error) {
    console.warn(`Go cannot build a client here: ${(error as Error).message.split('\n')[0]}`)
    return undefined
  }
  return { command: program, args: [], env: {} }
}

/** A program that makes gRPC calls by the configuration that a bootstrap file leads it to. */
export class GrpcClient {
  readonly #child: ChildProcess
  readonly #waiting: ((outcome: Outcome) => void)[] = []

  constructor({ command, args, env }: Command, bootstrap: string) {
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', process.env['WEFT_DEBUG'] ? 'inherit' : 'ignore'],
      env: {
        ...process.env,
        ...env,
        GRPC_XDS_BOOTSTRAP: bootstrap,
        GRPC_VERBOSITY: process.env['WEFT_DEBUG'] ? 'debug' : 'none',
      },
    })
    this.#child.stdin?.on('error', () => {})
    const lines = createInterface(this.#child.stdout as NonNullable<ChildProcess['stdout']>)
    lines.on('line', (line) => this.#waiting.shift()?.(JSON.parse(line) as Outcome))
    lines.on('close', () => {
      for (const ended of this.#waiting.splice(0)) ended({ details: 'the client ended' })
    })
  }

  /** Calls a method, one call after the other. */
  call(target: string, metadata: Readonly<Record<string, string>> = {}, deadlineMs = 30_000): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#child.stdin?.write(`${JSON.stringify({ target, method: METHOD, metadata, deadlineMs })}\n`)
    })
  }

  stop(): void {
    this.#child.kill('SIGKILL')
  }
}

/** The method that clients call: its answer is the name of the server's pod. */
export const METHOD = '/weft.test.Echo/Who'
