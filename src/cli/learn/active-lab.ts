import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { MeshFolders } from '../../agent/supervise/folders.ts'
import { readMeshSettings } from '../../agent/supervise/mesh-settings.ts'
import { writeAtomically } from '../../identity/private-files.ts'
import { Failure } from '../failure.ts'

/** The lab that is under way on a mesh; kept in its run folder, so that it ends with the mesh. */
export interface ActiveLab {
  readonly lab: string
  /** Of which run of the mesh: an earlier one's files are gone. */
  readonly run: string
  /** The folder's files before it began. */
  readonly files: Readonly<Record<string, string>>
  /** What the lab keeps of the beginning. */
  readonly before: Readonly<Record<string, string>>
  /** How many were shown. */
  readonly hints: number
}

/** The folder that a mesh follows. @throws Failure where that is not one folder */
export function followedFolder(folders: MeshFolders): { readonly folder: string; readonly run: string } {
  const settings = readMeshSettings(folders)
  const [path, ...others] = settings?.paths ?? []
  if (!settings || path === undefined || others.length > 0)
    throw new Failure(`mesh "${folders.name}" does not follow one folder`, 'labs are for the demo: weft learn up')
  return { folder: resolve(settings.folder, path), run: settings.run }
}

export function readActiveLab(folders: MeshFolders): ActiveLab | undefined {
  const path = pathOf(folders)
  if (!existsSync(path)) return undefined
  const lab = JSON.parse(readFileSync(path, 'utf8')) as ActiveLab
  return lab.run === readMeshSettings(folders)?.run ? lab : undefined
}

export function writeActiveLab(folders: MeshFolders, lab: ActiveLab): void {
  writeAtomically(pathOf(folders), JSON.stringify(lab))
}

export function removeActiveLab(folders: MeshFolders): void {
  rmSync(pathOf(folders), { force: true })
}

function pathOf({ run }: MeshFolders): string {
  return join(run, 'lab.json')
}
