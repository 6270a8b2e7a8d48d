import { request } from 'node:http'
import { Option } from 'commander'
import { type MeshFolders, meshFolders, meshNames, runFile } from '../agent/supervise/folders.ts'
import { lockHolder, meshLock } from '../agent/supervise/lock.ts'
import { closest } from '../resources/did-you-mean.ts'
import { Failure } from './failure.ts'

/** `--name`, or WEFT_NAME: which of the meshes that run on this machine. Not needed where there is only one. */
export function meshOption(): Option {
  return new Option('--name <mesh>', 'the mesh to ask, where several run').env('WEFT_NAME')
}

/** How long the server may take for an answer: it has everything at hand. */
const TIMEOUT_MS = 10_000

/** A mesh that runs on this machine. */
export class RunningMesh {
  readonly folders: MeshFolders

  constructor(folders: MeshFolders) {
    this.folders = folders
  }

  /** What the server's HTTP API has at a path below `/api/v1/`. @throws Failure where it does not answer, or refuses */
  async get<T>(path: string, timeoutMs = TIMEOUT_MS): Promise<T> {
    const answer = await getJson(runFile(this.folders, 'serverSocket'), `/api/v1/${path}`, timeoutMs).catch(
      (error: Error) => {
        throw new Failure(
          `the server of mesh "${this.folders.name}" does not answer: ${error.message}`,
          `look into ${runFile(this.folders, 'logs')}; it is started again by itself`,
        )
      },
    )
    if (answer.status === 200) return answer.body as T
    const { message, error } = (answer.body ?? {}) as { message?: string; error?: string }
    throw new Failure(
      message ?? error ?? `the server answered ${answer.status} to ${path}`,
      'run weft version: client and server should be of one version',
    )
  }
}

/**
 * The mesh with that name, or the only one that runs.
 * @throws Failure where there is none, or which one is meant cannot be told
 */
export async function runningMesh(name: string | undefined): Promise<RunningMesh> {
  const running = await namesOfRunning()
  if (name !== undefined) {
    if (running.includes(name)) return new RunningMesh(meshFolders(name))
    const near = closest(name, running)
    throw new Failure(
      `no mesh called "${name}" is running${running.length > 0 ? `: there is ${running.join(', ')}` : ''}`,
      near ? `write --name ${near} if that was meant` : `start it with: weft up --name ${name} -f FILE`,
    )
  }
  const [only, ...others] = running
  if (only === undefined) throw new Failure('no mesh is running', 'start one with: weft up -f FILE')
  if (others.length > 0) {
    throw new Failure(`several meshes are running: ${running.join(', ')}`, 'say which with --name, or set WEFT_NAME')
  }
  return new RunningMesh(meshFolders(only))
}

/** The only mesh that runs; undefined where there is none, or several. */
export async function runningMeshIfAny(): Promise<RunningMesh | undefined> {
  const [only, ...others] = await namesOfRunning()
  return only !== undefined && others.length === 0 ? new RunningMesh(meshFolders(only)) : undefined
}

async function namesOfRunning(): Promise<string[]> {
  const names = meshNames()
  const holders = await Promise.all(names.map((name) => lockHolder(meshLock(meshFolders(name).run))))
  return names.filter((_, i) => holders[i] !== undefined)
}

function getJson(socketPath: string, path: string, timeoutMs: number): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const outgoing = request({ socketPath, path, signal, agent: false, headers: { host: 'weft' } }, (incoming) => {
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
    outgoing.end()
  })
}
