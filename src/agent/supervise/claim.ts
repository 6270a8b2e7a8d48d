import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { ensureOwnFolder, type MeshFolders, meshFolders } from './folders.ts'
import { removeRunFiles } from './leftovers.ts'
import { hasLeftovers } from './local-mesh.ts'
import { blockLock, type Lock, meshLock, takeLock } from './lock.ts'
import { sweep } from './sweep.ts'
import { isBlockInUse } from './taken-ports.ts'

const FIRST_BLOCK = 64
const LAST_BLOCK = 126

/** A mesh's name and addresses, ours for as long as this process lives. */
export interface Claim {
  readonly folders: MeshFolders
  readonly block: number
  /** An earlier `weft up` was killed, and what it left was cleaned away. */
  readonly cleaned: boolean
  release(): Promise<void>
}

export interface ClaimOptions {
  readonly name: string
  readonly stateFolder?: string
  /** Where the name is taken: `NAME-2`, `NAME-3`, ... instead of an error. */
  readonly orAnother: boolean
}

/**
 * Claims a name and a block of addresses, and cleans away what a killed mesh of that name left.
 * @throws Error naming who has the name
 */
export async function claimMesh(options: ClaimOptions): Promise<Claim> {
  const { folders, lock } = await claimName(options)
  try {
    const cleaned = hasLeftovers(folders)
    // Even with no file left a process may be, of a run that was killed just as it started.
    await sweep({ WEFT_MESH: folders.run })
    removeRunFiles(folders)
    const { block, lock: addresses } = await claimBlock(folders.name)
    const release = async () => {
      await addresses.release()
      await lock.release()
    }
    return { folders, block, cleaned, release }
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function claimName({
  name,
  stateFolder,
  orAnother,
}: ClaimOptions): Promise<{ folders: MeshFolders; lock: Lock }> {
  for (let n = 1; ; n++) {
    const folders = meshFolders(n === 1 ? name : `${name}-${n}`, stateFolder)
    ensureOwnFolder(dirname(folders.run), 'XDG_RUNTIME_DIR')
    ensureOwnFolder(folders.run, 'XDG_RUNTIME_DIR')
    ensureOwnFolder(folders.state, '--state-dir or WEFT_STATE')
    const lock = await takeLock(meshLock(folders.run))
    if (!('heldBy' in lock)) return { folders, lock }
    if (orAnother) continue
    throw new Error(
      `a mesh called ${name} runs already, as process ${lock.heldBy}; end that one (kill ${lock.heldBy}) or start another with --name`,
    )
  }
}

/** The same block for the same name, where it is free: so that a mesh has the same addresses each time. */
async function claimBlock(name: string): Promise<{ block: number; lock: Lock }> {
  const count = LAST_BLOCK - FIRST_BLOCK + 1
  const start = createHash('sha256').update(name).digest().readUInt16BE() % count
  for (let n = 0; n < count; n++) {
    const block = FIRST_BLOCK + ((start + n) % count)
    if (isBlockInUse(block)) continue
    const lock = await takeLock(blockLock(block))
    if (!('heldBy' in lock)) return { block, lock }
  }
  throw new Error(
    `all blocks of addresses 127.${FIRST_BLOCK}.0.0/16 to 127.${LAST_BLOCK}.0.0/16 are in use; end a mesh`,
  )
}
