import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { meshFolders } from '../agent/supervise/folders.ts'
import { readMeshSettings } from '../agent/supervise/mesh-settings.ts'
import type { CaStore } from '../identity/ca-store.ts'
import { caStore } from '../identity/sealed-store.ts'
import { checkTrustDomain, DEFAULT_TRUST_DOMAIN } from '../identity/spiffe.ts'
import type { ServerStatus } from '../server/api.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { Failure } from './failure.ts'
import { MachineMesh, meshesOfMachine } from './machine-mesh.ts'
import type { Mesh } from './mesh.ts'
import { addMeshOptions, hasKubeconfig, type MeshOptions, refuseBesideCluster } from './running-mesh.ts'

/** Which mesh's certificate authority a command is about. */
export interface CaOptions extends MeshOptions {
  readonly stateDir?: string
  readonly trustDomain?: string
}

/** Where a mesh's certificate authority is kept, and who runs with it. */
export interface CaPlace {
  readonly store: CaStore
  readonly trustDomain: string
  /** Absent where it does not run. */
  readonly mesh: Mesh | undefined
  /** Absent on this machine. */
  readonly cluster: { readonly server: ApiServer; readonly namespace: string } | undefined
}

export function addCaOptions(command: Command): Command {
  return addMeshOptions(command)
    .option('--state-dir <folder>', 'state folder of a mesh on this machine, where it is not the usual one')
    .addOption(
      new Option(
        '--trust-domain <name>',
        `first part of all identities (default: the mesh's, else ${DEFAULT_TRUST_DOMAIN})`,
      ),
    )
}

/** @throws Failure where there is none, or which one is meant cannot be told */
export function caPlace(options: CaOptions): Promise<CaPlace> {
  return place(options, false)
}

/** As `caPlace`, to change something there. @throws Failure also where a mesh runs on this machine while KUBECONFIG names a cluster */
export function caPlaceToChange(options: CaOptions): Promise<CaPlace> {
  return place(options, true)
}

async function place(options: CaOptions, toChange: boolean): Promise<CaPlace> {
  const { name, stateDir, kubeconfig, context } = options
  if (options.trustDomain !== undefined) checkTrustDomain(options.trustDomain)
  if (kubeconfig !== undefined || context !== undefined) return onCluster(options)
  const running = await meshesOfMachine()
  if (name === undefined && stateDir === undefined) {
    const [only, ...others] = running
    if (others.length > 0)
      throw new Failure(`several meshes are running: ${running.join(', ')}`, 'say which with --name, or set WEFT_NAME')
    if (only !== undefined) {
      if (toChange) refuseBesideCluster(new MachineMesh(meshFolders(only)))
      return onMachine(only, true, options)
    }
    if (hasKubeconfig()) return onCluster(options)
  }
  const chosen = name ?? 'default'
  return onMachine(chosen, running.includes(chosen), options)
}

function onMachine(name: string, runs: boolean, { stateDir, trustDomain }: CaOptions): CaPlace {
  const folders = meshFolders(name, stateDir === undefined ? undefined : resolve(stateDir))
  const settings = runs ? readMeshSettings(folders) : undefined
  // One that runs with another state folder is another mesh.
  const isIt = settings !== undefined && (stateDir === undefined || settings.stateFolder === folders.state)
  return {
    store: caStore(isIt ? settings.stateFolder : folders.state),
    trustDomain: trustDomain ?? (isIt ? settings.trustDomain : DEFAULT_TRUST_DOMAIN),
    mesh: isIt ? new MachineMesh(folders) : undefined,
    cluster: undefined,
  }
}

/** Loaded only where it is needed: a Kubernetes client is large. */
async function onCluster({ trustDomain, ...access }: CaOptions): Promise<CaPlace> {
  const [{ ClusterMesh }, { apiServer }, { existingInstallation }, { secretStore }, { CA_SECRET, SYSTEM_NAMESPACE }] =
    await Promise.all([
      import('./cluster-mesh.ts'),
      import('./cluster-access.ts'),
      import('../install/existing.ts'),
      import('../identity/ca-secret.ts'),
      import('../resources/cluster-names.ts'),
    ])
  const server = apiServer(access)
  const installed = await existingInstallation(server).catch((error: Error) => {
    throw new Failure(`the cluster at ${server.url} can't be asked: ${error.message}`, 'try with kubectl get pods -A')
  })
  const namespace = installed?.namespace ?? SYSTEM_NAMESPACE
  const mesh = installed && new ClusterMesh(server)
  const theirs = mesh && (await mesh.get<ServerStatus>('status').catch(() => undefined))
  return {
    store: secretStore(server, namespace, CA_SECRET),
    trustDomain: trustDomain ?? theirs?.trustDomain ?? DEFAULT_TRUST_DOMAIN,
    mesh: theirs && mesh,
    cluster: { server, namespace },
  }
}
