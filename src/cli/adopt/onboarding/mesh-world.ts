import { setTimeout as after } from 'node:timers/promises'
import type { EstateObject } from '../../../adoption/estate/estate.ts'
import { estateOfMesh } from '../../../adoption/estate/of-mesh.ts'
import { readApplications } from '../../../adoption/inventory/folder.ts'
import { folderJournal } from '../../../adoption/onboarding/journal.ts'
import type { Objects, World } from '../../../adoption/onboarding/world.ts'
import type { Application } from '../../../resources/adoption.ts'
import type { Mesh } from '../../mesh.ts'
import { meshEvidence } from './mesh-evidence.ts'
import { meshState } from './mesh-state.ts'
import { RecentAnswers } from './recent-answers.ts'

/** How long an inventory that was read counts, in ms. */
const INVENTORY_MS = 1000

/** A mesh as onboarding sees it. @param folder of the adoption: its inventory, and how far everybody is */
export function meshWorld(mesh: Mesh, objects: Objects, folder: string): World {
  const answers = new RecentAnswers(mesh)
  return {
    clock: {
      now: () => Date.now(),
      elapsed: () => performance.now(),
      wait: (ms, signal) => after(ms, undefined, signal ? { signal } : {}).catch(() => {}),
    },
    objects: {
      ...objects,
      async write(change, says) {
        await objects.write(change, says)
        answers.forget()
      },
    },
    mesh: meshState(answers),
    evidence: meshEvidence(answers),
    journal: folderJournal(folder),
    estate: () => estateOfMesh(mesh.label, (kind) => answers.list<EstateObject>(kind)),
    applications: applicationsIn(folder),
  }
}

/** Many look at the inventory, one after the other. */
function applicationsIn(folder: string): World['applications'] {
  let read: { readonly at: number; readonly applications: readonly Application[] } | undefined
  return async () => {
    const now = performance.now()
    if (!read || now - read.at > INVENTORY_MS) read = { at: now, applications: readApplications(folder).applications }
    return read.applications
  }
}
