// Starts a sample program as a process of its own and knows when it listens.
import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { kill } from '../child.ts'

const samples = new URL('../../samples/', import.meta.url)

export type Program = {
  /** Where it listens, in the order it said so: `http://127.0.0.1:40123`. */
  urls: string[]
  process: ChildProcess
  /** What it wrote to stderr so far. */
  errors: () => string
}

/**
 * Runs `samples/<path>` on a free port of 127.0.0.1 and resolves once it has said `listeners` times where it listens.
 * The process ends with `await using`, or with the test run.
 */
export async function start(
  path: string,
  options: { env?: Record<string, string>; args?: string[]; listeners?: number } = {},
): Promise<Program & AsyncDisposable> {
  const child = spawn(process.execPath, [new URL(path, samples).pathname, ...(options.args ?? [])], {
    // None of this process's own environment: a proxy or a HOSTNAME set here would be one there.
    env: { BIND_ADDRESS: '127.0.0.1', PORT: '0', TCP_PORT: '0', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const urls: string[] = []
  for await (const line of createInterface(child.stdout)) {
    const url = / listening on (\S+)$/.exec(line)?.[1]
    if (url !== undefined) urls.push(url)
    if (urls.length === (options.listeners ?? 1)) break
  }
  child.stdout.resume()
  if (urls.length === 0) throw new Error(`${path} ended before it listened: ${errors}`)
  return {
    urls,
    process: child,
    errors: () => errors,
    [Symbol.asyncDispose]: () => kill(child),
  }
}

/** Host and port of a URL as environment variables that point Bookinfo at a service. */
export function at(service: 'details' | 'reviews' | 'ratings', url: string): Record<string, string> {
  const { hostname, port } = new URL(url)
  const name = service.toUpperCase()
  return { [`${name}_HOSTNAME`]: hostname, [`${name}_SERVICE_PORT`]: port }
}
