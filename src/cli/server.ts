import type { Command } from 'commander'
import { endWithParent } from '../agent/supervise/leftovers.ts'
import { startServer } from '../server/server.ts'
import { givenMesh } from './given-mesh.ts'

/** `weft server`: a child of `weft up`. */
export function define(command: Command): void {
  command
    .description('The control plane of a local mesh; started by `weft up`.')
    .requiredOption('--run-folder <folder>', "the mesh's run folder")
    .action(async ({ runFolder }: { runFolder: string }) => {
      const { folders, settings } = givenMesh(runFolder)
      endWithParent(folders, settings.run)
      const server = await startServer(folders, settings)
      process.on('SIGTERM', () => void server.close().finally(() => process.exit(0)))
    })
}
