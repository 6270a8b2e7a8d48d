import type { Command } from 'commander'
import { services } from '../mesh/services.ts'
import { workloads } from '../mesh/workloads.ts'
import { connectedProxies } from './connected-proxies.ts'
import { meshSnapshot } from './describe/mesh-snapshot.ts'
import { describePod } from './describe/pod.ts'
import { describeService } from './describe/service.ts'
import { serviceNamed } from './describe/service-name.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { messagesOf } from './mesh-messages.ts'
import { print } from './output-format.ts'
import { proxyNamed } from './proxy-name.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
}

/** `weft describe` */
export function define(command: Command): void {
  command.description(
    'Tells what the mesh makes of a pod or of a service: which objects have a say, and what comes of them.',
  )
  const pod = command
    .command('pod')
    .summary('a pod with a proxy: identity, mutual TLS, policies, the services that it is behind')
    .argument('<pod>', 'the pod, as POD, POD.NAMESPACE or the name of its Deployment')
    .option('-n, --namespace <namespace>', 'namespace of the pod')
    .action(runPod)
  const service = command
    .command('service')
    .alias('svc')
    .summary('a service: ports, endpoints, routes, mutual TLS')
    .argument('<service>', 'the Service, as SERVICE or SERVICE.NAMESPACE, or a host of a ServiceEntry')
    .option('-n, --namespace <namespace>', 'namespace of the service')
    .action(runService)
  for (const each of [pod, service]) addMeshOptions(each)
  withExamples(command, [
    ['who a pod is to others', 'weft describe pod reviews-v1'],
    ['where calls of a service go', 'weft describe service reviews'],
  ])
}

async function runPod(name: string, options: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const [snapshot, proxies, messages] = await Promise.all([
    meshSnapshot(mesh),
    connectedProxies(mesh),
    messagesOf(mesh),
  ])
  const all = workloads(snapshot)
  const workload = all.get(proxyNamed(name, [...all.keys()], options.namespace))
  if (!workload) throw new Failure(`pod ${name} is gone`, 'try again')
  await print(
    describePod(
      snapshot,
      workload,
      proxies.find(({ proxy }) => proxy === workload.key),
      messages,
    ),
  )
}

async function runService(name: string, options: Options): Promise<void> {
  const mesh = await runningMesh(options)
  const [snapshot, messages] = await Promise.all([meshSnapshot(mesh), messagesOf(mesh)])
  await print(
    describeService(snapshot, serviceNamed(name, [...services(snapshot).values()], options.namespace), messages),
  )
}
