import type { AskedMesh } from '../../../server/onboarding/asked-mesh.ts'
import { connectedProxies } from '../../connected-proxies.ts'
import type { Mesh } from '../../mesh.ts'

/** A mesh that the command line asks, as onboarding does. */
export function askedMesh(mesh: Mesh): AskedMesh {
  return {
    label: mesh.label,
    get: (path) => mesh.get(path),
    post: (path, body) => mesh.post(path, body),
    proxies: () => connectedProxies(mesh),
  }
}
