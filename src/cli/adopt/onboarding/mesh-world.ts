import { setTimeout as after } from 'node:timers/promises'
import type { EstateObject } from '../../../adoption/estate/estate.ts'
import { estateOfMesh } from '../../../adoption/estate/of-mesh.ts'
import { readApplications } from '../../../adoption/inventory/folder.ts'
import { folderJournal } from '../../../adoption/onboarding/journal.ts'
import type { Objects, World } from '../../../adoption/onboarding/world.ts'
import type { Mesh } from '../../mesh.ts'
import { meshEvidence } from './mesh-evidence.ts'
import { meshState } from './mesh-state.ts'
import { RecentAnswers } from './recent-answers.ts'

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
    applications: async () => readApplications(folder).applications,
  }
}
