import { expect } from 'vitest'
import { flaws, markLogs } from './access-logs.ts'
import type { Load, LoadOptions } from './load.ts'
import type { TestMesh } from './mesh.ts'

/** Fewer requests than this in a test would show nothing. */
const FEWEST = 20

/**
 * Does something under a steady load, and expects that no request failed: neither as its client saw it, nor at any hop on its
 * way, where a retry may have made it good.
 */
export async function underLoad(
  mesh: TestMesh,
  path: string,
  options: LoadOptions,
  act: (load: Load) => Promise<void>,
): Promise<void> {
  const mark = await markLogs(mesh)
  const load = await mesh.load(path, options)
  try {
    await load.more(FEWEST)
    await act(load)
    await load.more(FEWEST)
  } finally {
    await load.stop()
  }
  expect({ failures: load.result().failures, flaws: await flaws(mesh, mark) }).toEqual({ failures: [], flaws: [] })
}
