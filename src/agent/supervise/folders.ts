import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** The longest path that a Unix socket may have on Linux, in bytes (`sun_path` less its end). */
const LONGEST_SOCKET_PATH = 107

/** Where a mesh on this machine keeps its things. */
export interface MeshFolders {
  readonly name: string
  /** What lasts: the certificate authority, tokens, last good files. Mode 0700. */
  readonly state: string
  /** What is there while it runs: sockets, pods, logs. Short, as paths of sockets must be. Mode 0700. */
  readonly run: string
}

/** Names of meshes: they become names of folders. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/

/** @throws Error where `name` cannot name a mesh. */
export function meshFolders(name: string, stateFolder?: string): MeshFolders {
  if (!NAME.test(name)) {
    throw new Error(
      `${JSON.stringify(name)} cannot name a mesh: use up to 32 lower-case letters, digits and dashes, no dash at an end`,
    )
  }
  const stateHome = process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state')
  const state = stateFolder ?? process.env['WEFT_STATE'] ?? join(stateHome, 'weft', name)
  return { name, state, run: join(runHome(), name) }
}

/** Names of the meshes of this user that have a run folder: they run, or were killed. */
export function meshNames(): string[] {
  if (!existsSync(runHome())) return []
  return readdirSync(runHome())
    .filter((name) => existsSync(runFile({ run: join(runHome(), name) }, 'mesh')))
    .sort()
}

/** `$XDG_RUNTIME_DIR/weft`, else `/tmp/weft-UID`; and where the first is too long for sockets, the second. */
function runHome(): string {
  const given = process.env['XDG_RUNTIME_DIR']
  const home = join(tmpdir(), `weft-${userInfo().uid}`)
  if (!given) return home
  const wanted = join(given, 'weft')
  // 32 for the name and what podSocket adds.
  const longest = Buffer.byteLength(join(wanted, 'x'.repeat(32), 'pods', '255.255', 'admin.sock'))
  if (longest <= LONGEST_SOCKET_PATH) return wanted
  return `${home}-${createHash('sha256').update(given).digest('hex').slice(0, 8)}`
}

const FILES = {
  /** What the mesh was started with: see MeshSettings. */
  mesh: 'mesh.json',
  /** Of the server's HTTP API. */
  serverSocket: 'server.sock',
  /** Where gRPC libraries that call without a proxy get their configuration. */
  grpcSocket: 'grpc.sock',
  /** What the local cluster must know again after a restart of the server. */
  cluster: 'cluster.json',
  /** The last good objects of the files, for the same. */
  files: 'files.json',
  /** What a browser must know to be let into the console. */
  consoleKey: 'console.key',
  logs: 'logs',
  pods: 'pods',
  /** The demo's files, to play with. */
  yaml: 'yaml',
} as const

/** Path of a file of a mesh that runs. */
export function runFile({ run }: Pick<MeshFolders, 'run'>, file: keyof typeof FILES): string {
  return join(run, FILES[file])
}

/** The folder of a pod's proxy: bootstrap and sockets. Named by the end of its address, as pods' names may be long. */
export function podFolder(folders: Pick<MeshFolders, 'run'>, address: string): string {
  return join(runFile(folders, 'pods'), address.split('.').slice(2).join('.'))
}

/** `admin`: Envoy's administration; `sds`: where the agent serves its certificates. */
export function podSocket(folders: Pick<MeshFolders, 'run'>, address: string, socket: 'admin' | 'sds'): string {
  return join(podFolder(folders, address), `${socket}.sock`)
}

/**
 * Makes a folder that only this user may enter.
 * @param setting what says that it is to be there, such as `XDG_RUNTIME_DIR`: named in errors
 * @throws Error where it cannot be made or written to, or is somebody else's too
 */
export function ensureOwnFolder(folder: string, setting: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    accessSync(folder, constants.W_OK)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EEXIST' || code === 'ENOTDIR' ? 'a file is in the way' : message
    throw new Error(`${folder} cannot be used: ${reason}; set ${setting} to a folder that can be written to`)
  }
  const { uid, mode } = lstatSync(folder)
  if (uid !== userInfo().uid) throw new Error(`${folder} belongs to another user; remove it or set ${setting}`)
  if ((mode & 0o077) !== 0) throw new Error(`${folder} is open to other users; run: chmod 700 '${folder}'`)
}
