import { readFileSync } from 'node:fs'
import { writeAtomically } from '../../identity/private-files.ts'
import { type MeshFolders, runFile } from './folders.ts'

/** What a local mesh was started with; in its run folder, for its processes and for commands that look into it. */
export interface MeshSettings {
  readonly name: string
  /** Process id of `weft up`. */
  readonly pid: number
  /** Tells this run of `weft up` from others of the same name. */
  readonly run: string
  /** Of 127.BLOCK.0.0/16. */
  readonly block: number
  /** Files and folders, absolute or relative to `folder`. */
  readonly paths: readonly string[]
  readonly recursive: boolean
  /** Where `weft up` was started: what paths are relative to. */
  readonly folder: string
  /** Path of the image map. */
  readonly images: string
  readonly stateFolder: string
  readonly trustDomain: string
  /** How long a workload's certificate lasts, in ms. */
  readonly certificateLifeMs: number
  /** URL of a Prometheus that is asked for numbers in the place of Weft's own store. */
  readonly prometheus?: string
  /** URL of a receiver of OTLP/HTTP that gets all telemetry, too. */
  readonly otlpExport?: string
  /** Folder of the adoption, of which the console shows how far it is. */
  readonly adoption?: string
  /** Whether approved cryptography alone is used. */
  readonly fips: boolean
}

export const XDS_PORT = 15_012
export const CERTIFICATES_PORT = 15_013
/** Where applications send telemetry of their own: OpenTelemetry's ports. */
export const OTLP_PORTS = { grpc: 4317, http: 4318 } as const
/** Of the console, for browsers of this machine. */
export const CONSOLE_PORT = 15_080

export function writeMeshSettings(folders: MeshFolders, settings: MeshSettings): void {
  writeAtomically(runFile(folders, 'mesh'), `${JSON.stringify(settings, null, 2)}\n`)
}

/** Undefined where there is none. */
export function readMeshSettings(folders: Pick<MeshFolders, 'run'>): MeshSettings | undefined {
  try {
    return JSON.parse(readFileSync(runFile(folders, 'mesh'), 'utf8')) as MeshSettings
  } catch {
    return undefined
  }
}
