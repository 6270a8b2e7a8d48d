import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gitObjects } from '../../../adoption/onboarding/objects/git.ts'
import type { Followed } from './place.ts'

const run = promisify(execFile)

/** How often it is looked for commits, in ms. */
const LOOK_MS = 500

/** A clone that is brought up to the newest commit again and again; in another every change is a commit that is pushed. */
export interface FollowedRepository extends Followed {
  /** Does something each time that the clone was looked after. */
  afterEach(apply: () => Promise<void>): void
}

/** A bare repository, and a loop that applies what is committed there, as Argo CD and Flux do. @param fill writes the first commit */
export async function followedRepository(home: string, fill: (folder: string) => void): Promise<FollowedRepository> {
  let apply = async () => {}
  const [origin, ours, applied] = ['origin.git', 'ours', 'applied'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ]
  const who = ['-c', 'user.name=weft adopt demo', '-c', 'user.email=demo@localhost']
  const git = (folder: string, ...args: readonly string[]) => run('git', [...who, '-C', folder, ...args])
  mkdirSync(home, { recursive: true })
  await git(home, 'init', '--quiet', '--bare', '--initial-branch=main', origin)
  await git(home, 'clone', '--quiet', origin, ours)
  fill(ours)
  await git(ours, 'add', '--all')
  await git(ours, 'commit', '--quiet', '-m', 'No mesh yet')
  await git(ours, 'push', '--quiet', 'origin', 'HEAD:main')
  await git(home, 'clone', '--quiet', origin, applied)
  const over = new AbortController()
  void (async () => {
    while (!over.signal.aborted) {
      await after(LOOK_MS, undefined, { signal: over.signal }).catch(() => {})
      // What cannot be fetched or applied now is so the next time.
      await git(applied, 'pull', '--quiet', '--ff-only').catch(() => {})
      if (!over.signal.aborted) await apply().catch(() => {})
    }
  })()
  return {
    folder: applied,
    objects: gitObjects(ours),
    end: () => over.abort(),
    afterEach(next) {
      apply = next
    },
  }
}
