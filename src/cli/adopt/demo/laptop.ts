import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Objects, World } from '../../../adoption/onboarding/world.ts'
import { meshFolders, runFile } from '../../../agent/supervise/folders.ts'
import { keptInFolder, laptopWorld } from '../../../server/onboarding/mesh-world.ts'
import { Failure } from '../../failure.ts'
import { MachineMesh } from '../../machine-mesh.ts'
import { askedMesh } from '../onboarding/asked-mesh.ts'
import type { Entrance, Part } from './estate.ts'
import type { DemoPlace, Followed, Visits } from './place.ts'
import { Visitors } from './visitors.ts'

const WEFT = fileURLToPath(new URL('../../../../bin/weft.js', import.meta.url))

/** What programs of the estate say of a call that failed. */
const FAILED_CALL = 'failed call'

interface LaptopOptions {
  readonly name: string
  readonly followed: Followed
  readonly stateFolder: string
  readonly adoption: string
  readonly part: Part
}

/** A mesh on this machine, of its own process, that follows a folder. */
export class Laptop implements DemoPlace {
  readonly mesh: MachineMesh
  readonly #objects: Objects
  readonly #entrances: readonly Entrance[]
  #visitors: Visitors | undefined
  readonly #process: ChildProcess
  readonly #said: string[] = []

  private constructor(mesh: MachineMesh, process: ChildProcess, objects: Objects, entrances: readonly Entrance[]) {
    this.mesh = mesh
    this.#objects = objects
    this.#entrances = entrances
    this.#process = process
  }

  /** Resolves when all that is in the folder runs. @throws Failure where it does not come up */
  static async start({ name, followed, stateFolder, adoption, part }: LaptopOptions): Promise<Laptop> {
    const { folder, objects } = followed
    const args = ['up', '-f', folder, '--name', name, '--state-dir', stateFolder, '--adoption', adoption]
    const child = spawn(process.execPath, [WEFT, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
      // Ctrl-C is for us: what runs below ends when we say so.
      detached: true,
    })
    const laptop = new Laptop(new MachineMesh(meshFolders(name, stateFolder)), child, objects, part.entrances)
    const ready = new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        createInterface(stream).on('line', (line) => {
          laptop.#said.push(line)
          if (/^Mesh .* is ready/.test(line)) resolve()
        })
      child.on('exit', () => reject(new Failure('the mesh ended before it was ready', laptop.#said.join('\n'))))
    })
    await ready
    return laptop
  }

  /** Where somebody may watch; undefined where the mesh did not say. */
  get console(): string | undefined {
    return this.#said.map((line) => /^Console at (\S+)/.exec(line)?.[1]).find((url) => url !== undefined)
  }

  world(folder: string): World {
    return laptopWorld(askedMesh(this.mesh), this.#objects, keptInFolder(folder))
  }

  open(hasMoved: (application: string) => boolean): void {
    this.#visitors = new Visitors(this.mesh, this.#entrances, hasMoved)
  }

  async tend(): Promise<void> {}

  async empty(): Promise<Visits> {
    await this.#visitors?.stop()
    const { visits = 0, failed = [] } = this.#visitors ?? {}
    return { visits, failed, failedCalls: this.#failedCalls() }
  }

  /** Lines in which programs told of calls that failed, of all pods that ever were, with the pod's name. */
  #failedCalls(): readonly string[] {
    const logs = runFile(this.mesh.folders, 'logs')
    if (!existsSync(logs)) return []
    return readdirSync(logs).flatMap((file) =>
      readFileSync(join(logs, file), 'utf8')
        .split('\n')
        .filter((line) => line.startsWith(FAILED_CALL))
        .map((line) => `${file}: ${line}`),
    )
  }

  /** Ends all that runs. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await exited
  }
}
