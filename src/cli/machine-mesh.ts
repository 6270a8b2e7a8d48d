import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { askEnvoy } from '../agent/supervise/envoy-admin.ts'
import { type MeshFolders, meshFolders, meshNames, runFile } from '../agent/supervise/folders.ts'
import { lockHolder, meshLock } from '../agent/supervise/lock.ts'
import { Failure } from './failure.ts'
import { type Answer, bodyOf, type Mesh } from './mesh.ts'

/** A mesh that runs on this machine, started by `weft up`. */
export class MachineMesh implements Mesh {
  readonly folders: MeshFolders
  readonly label: string
  readonly namespace = 'default'

  constructor(folders: MeshFolders) {
    this.folders = folders
    this.label = `mesh "${folders.name}"`
  }

  async get<T>(path: string, timeoutMs = TIMEOUT_MS): Promise<T> {
    return this.#ask<T>(path, timeoutMs)
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return this.#ask<T>(path, TIMEOUT_MS, body)
  }

  async #ask<T>(path: string, timeoutMs: number, body?: unknown): Promise<T> {
    const answer = await askJson(runFile(this.folders, 'serverSocket'), `/api/v1/${path}`, timeoutMs, body).catch(
      (error: Error) => {
        throw new Failure(
          `the server of ${this.label} does not answer: ${error.message}`,
          `look into ${runFile(this.folders, 'logs')}; it is started again by itself`,
        )
      },
    )
    return bodyOf(answer, path)
  }

  /** There is one server. */
  async getAll<T>(path: string): Promise<readonly T[]> {
    return [await this.get<T>(path)]
  }

  /** Told by what the Envoys were started with, not by the server: it is for when something is wrong. */
  async envoys(): Promise<readonly string[]> {
    return [...this.#adminSockets().keys()]
  }

  async askEnvoy(key: string, path: string): Promise<string> {
    const answer = await askEnvoy(this.#adminSockets().get(key) ?? '', 'GET', path, TIMEOUT_MS).catch(
      (error: Error) => {
        throw new Failure(
          `the Envoy of pod ${key} does not answer: ${error.message}`,
          'see whether it runs: weft get pods -A',
        )
      },
    )
    return answer.body
  }

  /** By `namespace/pod`. */
  #adminSockets(): ReadonlyMap<string, string> {
    const pods = runFile(this.folders, 'pods')
    const names = existsSync(pods) ? readdirSync(pods) : []
    return new Map(
      names.flatMap((name) => {
        const key = podOf(join(pods, name, 'bootstrap.json'))
        return key === undefined ? [] : [[key, join(pods, name, 'admin.sock')] as const]
      }),
    )
  }
}

/** How long server and Envoys may take for an answer, in ms: they have everything at hand. */
const TIMEOUT_MS = 10_000

/** Names of the meshes that run on this machine. */
export async function meshesOfMachine(): Promise<readonly string[]> {
  const names = meshNames()
  const holders = await Promise.all(names.map((name) => lockHolder(meshLock(meshFolders(name).run))))
  return names.filter((_, i) => holders[i] !== undefined)
}

/** `namespace/pod` of an Envoy, from its node id (`ROLE~ADDRESS~POD.NAMESPACE~DOMAIN`); undefined where it is being made or removed. */
function podOf(bootstrapFile: string): string | undefined {
  try {
    const { node } = JSON.parse(readFileSync(bootstrapFile, 'utf8')) as { node: { id: string } }
    const [, , name = ''] = node.id.split('~')
    const dot = name.lastIndexOf('.')
    return `${name.slice(dot + 1)}/${name.slice(0, dot)}`
  } catch {
    return undefined
  }
}

/** A GET, or a POST where there is a body. */
function askJson(socketPath: string, path: string, timeoutMs: number, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const method = body === undefined ? 'GET' : 'POST'
    const headers = { host: 'weft', ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const outgoing = request({ socketPath, path, method, signal, agent: false, headers }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        try {
          resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) })
        } catch (error) {
          reject(error)
        }
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
