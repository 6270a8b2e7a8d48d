import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import process from 'node:process'
import { pipeline } from 'node:stream'
import { type Command, Option } from 'commander'
import { readMeshSettings } from '../agent/supervise/mesh-settings.ts'
import { consoleUrl, newConsoleKey } from '../server/console/console-key.ts'
import { serveFront } from '../server/console/front.ts'
import type { ApiServer, ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { connectToPod } from '../sources/kubernetes/port-forward.ts'
import { type AppliedShift, appliedShift } from './applied-shift.ts'
import { apiServer } from './cluster-access.ts'
import { ClusterMesh, ENVOY_ADMIN_PORT } from './cluster-mesh.ts'
import { addClusterOptions } from './cluster-options.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { MachineMesh } from './machine-mesh.ts'
import { openBrowser } from './open-browser.ts'
import { print } from './output-format.ts'
import { proxyNamed } from './proxy-name.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

interface Options extends ClusterAccess {
  readonly namespace?: string
  readonly port: string
}

/** `weft dashboard` */
export function define(command: Command): void {
  command
    .description(
      'Opens the console of a mesh: prints its address on this machine, and opens a browser where there is a desktop. On a cluster it ' +
        'forwards a port of this machine to a server, and applies what is changed in the console as whom the kubeconfig says.',
    )
    .addOption(portOption())
    // What comes after the name of a command below is for that.
    .enablePositionalOptions()
    .action(runConsole)
  addMeshOptions(command)
  const envoy = command
    .command('envoy')
    .summary("the administration of a pod's Envoy")
    .argument('<pod>', 'the pod, as POD, POD.NAMESPACE or the name of its Deployment')
    .option('-n, --namespace <namespace>', 'namespace of the pod')
    .addOption(portOption())
    .action(run)
  addClusterOptions(envoy)
  withExamples(command, [
    ['the console', 'weft dashboard'],
    ['statistics and configuration of an Envoy, by hand', 'weft dashboard envoy reviews-v1'],
  ])
}

function portOption(): Option {
  return new Option('-p, --port <port>', 'where to listen, at 127.0.0.1; 0 takes one that is free').default('0')
}

async function runConsole({ port, ...options }: MeshOptions & { readonly port: string }): Promise<void> {
  const mesh = await runningMesh(options)
  if (mesh instanceof MachineMesh) {
    const block = readMeshSettings(mesh.folders)?.block
    const url = block === undefined ? undefined : consoleUrl(mesh.folders, block)
    if (url === undefined)
      throw new Failure(`${mesh.label} has no console yet`, 'try again when its server has started')
    await print(`Console of ${mesh.label}: ${url}\n`)
    openBrowser(url)
    return
  }
  const cluster = mesh as ClusterMesh
  const { url } = await serveFront({
    host: '127.0.0.1',
    port: Number(port),
    key: newConsoleKey(),
    connect: () => cluster.connectToServer(),
    posts: { '/api/v1/console/shift/apply': (body) => appliedShift(body as AppliedShift, options) },
  })
  await print(`Console of ${mesh.label}: ${url}\nPress Ctrl-C to end.\n`)
  openBrowser(url)
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
