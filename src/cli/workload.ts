import process from 'node:process'
import type { Command } from 'commander'
import { entryOf } from '../agent/workload-group/entry.ts'
import type { WorkloadGroup } from '../resources/istio.ts'
import type { ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { apiServer } from './cluster-access.ts'
import { addClusterOptions } from './cluster-options.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { offlineMesh } from './offline-mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'

interface Options extends ClusterAccess {
  readonly address: string
  readonly name?: string
  readonly namespace: string
}

interface EntryOptions extends Options {
  readonly filename?: readonly string[]
  readonly output?: OutputFormat
}

/** `weft workload` */
export function define(command: Command): void {
  command.description('Makes hosts outside of clusters members of WorkloadGroups.')
  const entry = command.command('entry')
  entry.description(
    "Prints the WorkloadEntry of a host, as a WorkloadGroup's template has it: to be applied where nothing on the host is to do that.",
  )
  addMemberOptions(entry)
  entry.option('-f, --filename <file...>', 'files with the WorkloadGroup; without them it is looked for in the cluster')
  entry.addOption(outputOption()).action(printEntry)
  withExamples(entry, [['for a commit', 'weft workload entry vm -n shop --address 10.0.0.7 -f group.yaml > vm-1.yaml']])
  const join = command.command('join')
  join.description(
    'Makes the host that it runs on a member of a WorkloadGroup until it is stopped: registers its WorkloadEntry in the cluster, asks the application by the probe of the group, and tells in the status how that is. A member that is not well gets no requests; one that is gone is removed, within a minute where it went without a word. The kubeconfig needs to get the WorkloadGroup, and to create, patch and delete WorkloadEntries and patch their status.',
  )
  addMemberOptions(join)
  join.action(joined)
  withExamples(join, [['on the host', 'weft workload join vm -n shop --address 10.0.0.7']])
}

function addMemberOptions(command: Command): void {
  command
    .argument('<group>', 'name of the WorkloadGroup')
    .requiredOption('--address <address>', 'by which workloads of the mesh reach the host')
    .option('--name <name>', 'what to call the host among the members (default: its address)')
    .option('-n, --namespace <namespace>', 'namespace of the WorkloadGroup', 'default')
  addClusterOptions(command)
}

async function printEntry(name: string, options: EntryOptions): Promise<void> {
  const { output = 'yaml' } = options
  const group = options.filename ? groupIn(options.filename, name, options.namespace) : await groupOf(name, options)
  await print(await structured(output, entryOf(group, options)))
}

function groupIn(files: readonly string[], name: string, namespace: string): WorkloadGroup {
  const groups = offlineMesh(files, false, namespace).snapshot.all('networking.istio.io/WorkloadGroup')
  const group = groups.get(`${namespace}/${name}`)
  if (group) return group
  const names = [...groups.keys()].join(', ')
  throw new Failure(
    `there is no WorkloadGroup ${namespace}/${name} in the files`,
    names ? `name one of ${names}` : 'give the file that has it',
  )
}

async function groupOf(name: string, options: Options): Promise<WorkloadGroup> {
  const { readLive } = await import('../sources/kubernetes/write.ts')
  const ref = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadGroup',
    metadata: { namespace: options.namespace, name },
  }
  const group = await readLive(apiServer(options), ref)
  if (group) return group as unknown as WorkloadGroup
  throw new Failure(`there is no WorkloadGroup ${options.namespace}/${name}`, 'see kubectl get workloadgroups -A')
}

async function joined(name: string, options: Options): Promise<void> {
  const [{ clusterRegistry }, { runMembership }] = await Promise.all([
    import('../agent/workload-group/cluster-registry.ts'),
    import('../agent/workload-group/membership.ts'),
  ])
  const group = await groupOf(name, options)
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  await runMembership({ ...options, group, registry: clusterRegistry(apiServer(options)) }, stop.signal)
}
