import { existsSync, rmSync } from 'node:fs'
import { removePartials } from '../../identity/private-files.ts'
import { type MeshFolders, runFile } from './folders.ts'
import { meshLock, takeLock } from './lock.ts'
import { sweep } from './sweep.ts'

/**
 * For the server and the agent, children of `weft up` with an IPC channel to it: when that ends without having said goodbye (it was
 * killed), whichever of them is alive ends everything that it had started, and then itself.
 */
export function endWithParent(folders: MeshFolders, run: string): void {
  process.on('disconnect', () => void endAll(folders, run).finally(() => process.exit(1)))
}

async function endAll(folders: MeshFolders, run: string): Promise<void> {
  await sweep({ WEFT_MESH: folders.run, WEFT_MESH_RUN: run, WEFT_MESH_PART: 'pod' })
  // Somebody may have started the mesh anew meanwhile: then the folder is theirs, and they have cleaned it.
  const lock = await takeLock(meshLock(folders.run))
  if ('heldBy' in lock) return
  removeRunFiles(folders)
  await lock.release()
}

/** Removes what a mesh had in its run folder, all but its logs. For the holder of the mesh's lock. */
export function removeRunFiles(folders: Pick<MeshFolders, 'run'>): void {
  for (const file of [
    'mesh',
    'serverSocket',
    'grpcSocket',
    'consoleKey',
    'cluster',
    'files',
    'pods',
    'yaml',
  ] as const) {
    rmSync(runFile(folders, file), { recursive: true, force: true })
  }
  if (existsSync(folders.run)) removePartials(folders.run)
}
