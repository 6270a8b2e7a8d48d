import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Objects } from '../world.ts'
import { folderObjects } from './folder.ts'

const run = promisify(execFile)

/** Who commits, where git is not told by its own configuration. */
const AUTHOR = { name: 'weft adopt', email: 'weft-adopt@localhost' }
/** How often a push is tried when others push at the same time. */
const MOST_PUSHES = 5

/**
 * Objects in a folder of a git repository that has been cloned: each change is a commit, pushed to where the branch comes from. What applies the repository is somebody else's.
 * @throws Error where git refuses, with what it says
 */
export function gitObjects(folder: string): Objects {
  const files = folderObjects(folder)
  const git = async (...args: readonly string[]): Promise<string> => {
    const author = ['-c', `user.name=${AUTHOR.name}`, '-c', `user.email=${AUTHOR.email}`]
    try {
      return (await run('git', ['-C', folder, ...((await isNamed(folder)) ? [] : author), ...args])).stdout
    } catch (error) {
      throw new Error(`git ${args[0]} in ${folder}: ${(error as { stderr?: string }).stderr?.trim() || error}`)
    }
  }
  return {
    ...files,
    async write(change, says) {
      await git('pull', '--quiet', '--rebase')
      await files.write(change, says)
      await git('add', '--all', '.')
      if ((await git('status', '--porcelain', '.')) !== '') await git('commit', '--quiet', '-m', says, '--', '.')
      // A commit that was not pushed, as somebody killed us in between, goes with this one.
      for (let attempt = 1; ; attempt++) {
        const pushed = await git('push', '--quiet').then(
          () => true,
          (error: Error) => {
            if (attempt === MOST_PUSHES) throw error
            return false
          },
        )
        if (pushed) return
        await git('pull', '--quiet', '--rebase')
      }
    },
  }
}

/** Whether git knows already who commits. */
async function isNamed(folder: string): Promise<boolean> {
  return run('git', ['-C', folder, 'config', 'user.email']).then(
    () => true,
    () => false,
  )
}
