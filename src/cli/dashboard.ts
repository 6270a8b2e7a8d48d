import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import process from 'node:process'
import { pipeline } from 'node:stream'
import { type Command, Option } from 'commander'
import type { ApiServer, ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { connectToPod } from '../sources/kubernetes/port-forward.ts'
import { apiServer } from './cluster-access.ts'
import { ClusterMesh, ENVOY_ADMIN_PORT } from './cluster-mesh.ts'
import { addClusterOptions } from './cluster-options.ts'
import { withExamples } from './examples.ts'
import { print } from './output-format.ts'
import { proxyNamed } from './proxy-name.ts'

interface Options extends ClusterAccess {
  readonly namespace?: string
  readonly port: string
}

/** `weft dashboard` */
export function define(command: Command): void {
  command.description('Opens pages that only can be reached from within a cluster, at an address of this machine.')
  const envoy = command
    .command('envoy')
    .summary("the administration of a pod's Envoy")
    .argument('<pod>', 'the pod, as POD, POD.NAMESPACE or the name of its Deployment')
    .option('-n, --namespace <namespace>', 'namespace of the pod')
    .addOption(new Option('-p, --port <port>', 'where to listen, at 127.0.0.1; 0 takes one that is free').default('0'))
    .action(run)
  addClusterOptions(envoy)
  withExamples(command, [['statistics and configuration of an Envoy, by hand', 'weft dashboard envoy reviews-v1']])
}

async function run(name: string, { namespace, port, ...access }: Options): Promise<void> {
  const server = apiServer(access)
  const key = proxyNamed(name, await new ClusterMesh(server).envoys(namespace), namespace)
  const address = await forward(server, key, Number(port))
  await print(`Envoy of pod ${key}: http://${address}/\nPress Ctrl-C to end.\n`)
}

/** Passes connections on until the process ends. @returns where it listens: `127.0.0.1:PORT` */
async function forward(server: ApiServer, key: string, port: number): Promise<string> {
  const [namespace = '', pod = ''] = key.split('/')
  const listener = createServer((client) => {
    connectToPod(server, { namespace, pod, port: ENVOY_ADMIN_PORT }).then(
      (upstream) => {
        // Whichever side ends, the other one does.
        pipeline(client, upstream, client, (error) => {
          if (error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') process.stderr.write(`weft: ${error.message}\n`)
        })
      },
      (error: Error) => {
        process.stderr.write(`weft: pod ${key} can't be reached: ${error.message}\n`)
        client.destroy()
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    listener.on('error', reject).listen(port, '127.0.0.1', resolve)
  })
  return `127.0.0.1:${(listener.address() as AddressInfo).port}`
}
