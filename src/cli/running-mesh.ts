import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { type Command, Option } from 'commander'
import { meshFolders } from '../agent/supervise/folders.ts'
import { closest } from '../resources/did-you-mean.ts'
import type { ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { addClusterOptions } from './cluster-options.ts'
import { Failure } from './failure.ts'
import { MachineMesh, meshesOfMachine } from './machine-mesh.ts'
import type { Mesh } from './mesh.ts'

/** Which mesh a command is about. */
export interface MeshOptions extends ClusterAccess {
  readonly name?: string
}

/** `--name`, `--kubeconfig` and `--context`. */
export function addMeshOptions(command: Command): Command {
  return addClusterOptions(command).addOption(
    new Option(
      '--name <mesh>',
      'a mesh on this machine (default: the one that runs; where none does, the cluster of the kubeconfig)',
    ).env('WEFT_NAME'),
  )
}

/**
 * The mesh that the options name: with `--kubeconfig` or `--context` that on a cluster; with `--name` one on this machine; with neither the one that runs
 * on this machine, else that on the kubeconfig's cluster.
 * @throws Failure where there is none, or which one is meant cannot be told
 */
export async function runningMesh(options: MeshOptions): Promise<Mesh> {
  const { name, kubeconfig, context } = options
  if (kubeconfig !== undefined || context !== undefined) return clusterMesh(options)
  const running = await meshesOfMachine()
  if (name !== undefined) return localMesh(name, running)
  const [only, ...others] = running
  if (others.length > 0)
    throw new Failure(`several meshes are running: ${running.join(', ')}`, 'say which with --name, or set WEFT_NAME')
  if (only !== undefined) {
    if (process.stderr.isTTY && hasKubeconfig())
      process.stderr.write(`(of mesh "${only}" on this machine; --context NAME asks a cluster)\n`)
    return new MachineMesh(meshFolders(only))
  }
  if (hasKubeconfig()) return clusterMesh(options)
  throw new Failure(
    'no mesh is running, and there is no kubeconfig',
    'start one with: weft up -f FILE, or name a cluster with --kubeconfig',
  )
}

/**
 * As `runningMesh`, to change something in it.
 * @throws Failure also where one runs on this machine while KUBECONFIG names a cluster
 */
export async function meshToChange(options: MeshOptions): Promise<Mesh> {
  const mesh = await runningMesh(options)
  if (mesh instanceof MachineMesh && options.name === undefined) refuseBesideCluster(mesh)
  return mesh
}

/** @throws Failure where KUBECONFIG names a cluster */
export function refuseBesideCluster({ label, folders }: MachineMesh): void {
  if (process.env['KUBECONFIG'])
    throw new Failure(
      `${label} runs on this machine, and KUBECONFIG names a cluster: which of them is meant cannot be told`,
      `say it: --name ${folders.name}, or --context NAME for the cluster`,
    )
}

/** As `runningMesh`; undefined where there is none on this machine and nothing says which is meant. */
export async function runningMeshIfAny(options: MeshOptions): Promise<Mesh | undefined> {
  const { name, kubeconfig, context } = options
  if (name !== undefined || kubeconfig !== undefined || context !== undefined) return runningMesh(options)
  const running = await meshesOfMachine()
  if (running.length > 1 || (running.length === 0 && !hasKubeconfig())) return undefined
  return runningMesh(options)
}

/** Loaded only where it is needed: a Kubernetes client is large. */
async function clusterMesh(options: ClusterAccess): Promise<Mesh> {
  const [{ ClusterMesh }, { apiServer }] = await Promise.all([
    import('./cluster-mesh.ts'),
    import('./cluster-access.ts'),
  ])
  return new ClusterMesh(apiServer(options))
}

function localMesh(name: string, running: readonly string[]): Mesh {
  if (running.includes(name)) return new MachineMesh(meshFolders(name))
  const near = closest(name, running)
  throw new Failure(
    `no mesh called "${name}" is running${running.length > 0 ? `: there is ${running.join(', ')}` : ''}`,
    near ? `write --name ${near} if that was meant` : `start it with: weft up --name ${name} -f FILE`,
  )
}

export function hasKubeconfig(): boolean {
  const { KUBECONFIG } = process.env
  return Boolean(KUBECONFIG) || existsSync(join(homedir(), '.kube', 'config'))
}
