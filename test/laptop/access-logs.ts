// What the sidecars' access logs say went wrong: each hop of a request, also one that a retry or an application made good.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { askEnvoy } from '../../src/agent/supervise/envoy-admin.ts'
import { podSocket, runFile } from '../../src/agent/supervise/folders.ts'
import type { TestMesh } from './mesh.ts'

/** The place in each log up to which it has been looked at, by the log's name. */
export type Mark = ReadonlyMap<string, number>

const LOG = /^(.+)\.envoy\.log$/

/** Istio's default format: `[TIME] "GET /path HTTP/1.1" STATUS FLAGS DETAILS ...`, for TCP `[TIME] "- - -" 0 FLAGS ...`. */
const LINE = /^\[[^\]]+\] "(\S+) [^"]*" (\d+) (\S+) /

/** Where all logs end now, everything that has happened written down. */
export async function markLogs(mesh: TestMesh): Promise<Mark> {
  await writtenDown(mesh)
  const folder = runFile({ run: mesh.run }, 'logs')
  return new Map(proxyLogs(folder).map((name) => [name, statSync(join(folder, name)).size]))
}

/** Requests and connections since `mark` that did not go well at some hop: `NAMESPACE.POD: LINE OF ITS ACCESS LOG`. */
export async function flaws(mesh: TestMesh, mark: Mark = new Map()): Promise<string[]> {
  await writtenDown(mesh)
  const folder = runFile({ run: mesh.run }, 'logs')
  return proxyLogs(folder).flatMap((name) => {
    const text = readFileSync(join(folder, name))
      .subarray(mark.get(name) ?? 0)
      .toString()
    return text
      .split('\n')
      .filter(isFlawed)
      .map((line) => `${LOG.exec(name)?.[1]}: ${line}`)
  })
}

function isFlawed(line: string): boolean {
  const [, method, status, flags] = LINE.exec(line) ?? []
  if (method === undefined) return false // not of the access log
  return flags !== '-' || (method !== '-' && !/^[123]/.test(status ?? ''))
}

function proxyLogs(folder: string): string[] {
  return readdirSync(folder).filter((name) => LOG.test(name))
}

/** Envoys gather lines for a while; asked to open their logs anew, they first write down what they have. */
async function writtenDown(mesh: TestMesh): Promise<void> {
  for (const { address } of await mesh.pods()) {
    const admin = podSocket({ run: mesh.run }, address, 'admin')
    await askEnvoy(admin, 'POST', '/reopen_logs').catch(() => undefined) // a pod that is just going has written them at its end
  }
}
