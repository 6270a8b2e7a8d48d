import type { MeshFolders } from '../agent/supervise/folders.ts'
import { type MeshSettings, readMeshSettings } from '../agent/supervise/mesh-settings.ts'

/** The mesh in a run folder. @throws Error where none is */
export function givenMesh(run: string): { folders: MeshFolders; settings: MeshSettings } {
  const settings = readMeshSettings({ run })
  if (!settings) throw new Error(`there is no mesh in ${run}; \`weft up\` makes one`)
  return { folders: { name: settings.name, run, state: settings.stateFolder }, settings }
}
