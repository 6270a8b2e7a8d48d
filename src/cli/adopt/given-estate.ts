import type { Command } from 'commander'
import type { Estate, EstateObject } from '../../adoption/estate/estate.ts'
import { estateOfCluster } from '../../adoption/estate/of-cluster.ts'
import { estateOfFiles } from '../../adoption/estate/of-files.ts'
import { estateOfMesh } from '../../adoption/estate/of-mesh.ts'
import type { ClusterAccess } from '../../sources/kubernetes/api-server.ts'
import { addClusterOptions } from '../cluster-options.ts'
import { Failure } from '../failure.ts'
import { messageBlock } from '../message-text.ts'
import { runningMesh } from '../running-mesh.ts'
import { Steps } from '../steps.ts'

/** What a command is to look at. */
export interface EstateOptions extends ClusterAccess {
  readonly filename?: readonly string[]
  readonly recursive?: boolean
  readonly fromCluster?: boolean
  readonly fromMesh?: boolean | string
}

/** `-f`, `-R`, `--from-cluster` with `--kubeconfig` and `--context`, `--from-mesh`. */
export function addEstateOptions(command: Command): Command {
  return addClusterOptions(
    command
      .option('-f, --filename <file...>', 'look at files and folders of YAML or JSON')
      .option('-R, --recursive', 'look into subfolders as well')
      .option('--from-cluster', 'look at the cluster of the kubeconfig'),
  ).option('--from-mesh [name]', 'look at the mesh that runs on this machine')
}

/**
 * What the options name; undefined where they name nothing. Files that cannot be read are told of on standard error.
 * @throws Failure where they name several things, or the one does not answer
 */
export async function givenEstate(options: EstateOptions): Promise<Estate | undefined> {
  const { filename, recursive = false, fromMesh, kubeconfig, context } = options
  const fromCluster = options.fromCluster === true || kubeconfig !== undefined || context !== undefined
  const several = [filename !== undefined, fromCluster, fromMesh !== undefined].filter(Boolean).length > 1
  if (several)
    throw new Failure(
      'files, a cluster and a mesh cannot be looked at together',
      'give one of -f, --from-cluster and --from-mesh',
    )
  if (filename) {
    const estate = estateOfFiles(filename, recursive)
    for (const message of estate.messages) process.stderr.write(messageBlock(message))
    return estate
  }
  if (fromCluster) return withStep('Looking at the cluster', () => clusterEstate(options))
  if (fromMesh === undefined) return undefined
  const mesh = await runningMesh(typeof fromMesh === 'string' ? { name: fromMesh } : {})
  return withStep(`Looking at ${mesh.label}`, () =>
    estateOfMesh(mesh.label, (kind) => mesh.get<readonly EstateObject[]>(`resources/${encodeURIComponent(kind)}`)),
  )
}

async function clusterEstate(options: ClusterAccess): Promise<Estate> {
  const { apiServer } = await import('../cluster-access.ts')
  const server = apiServer(options)
  return estateOfCluster(server).catch((error: Error) => {
    throw new Failure(`the cluster at ${server.url} can't be asked: ${error.message}`, 'try with kubectl version')
  })
}

async function withStep(what: string, look: () => Promise<Estate>): Promise<Estate> {
  const steps = new Steps()
  steps.begin(what)
  try {
    const estate = await look()
    steps.end(
      `${estate.objects.length} objects${estate.unread.length > 0 ? `, nothing of ${estate.unread.map(({ kind }) => kind).join(', ')}` : ''}`,
    )
    return estate
  } catch (error) {
    steps.failed()
    throw error
  }
}
