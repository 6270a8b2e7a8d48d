import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the files of one test run keep what they know of the cluster that they share. */
    readonly clusterFolder: string
  }
}

/** In the folder: the command and the name of a cluster that this run started. */
export const STARTED = 'started'

/** The test files of a run share one cluster, which the first that needs one starts; it goes when all are done. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'weft-cluster-'))
  project.provide('clusterFolder', folder)
  return () => {
    const started = join(folder, STARTED)
    if (existsSync(started)) {
      const [lab = '', name = ''] = readFileSync(started, 'utf8').split('\n')
      execFileSync(lab, ['down', name], { stdio: 'ignore' })
    }
    rmSync(folder, { recursive: true, force: true })
  }
}
