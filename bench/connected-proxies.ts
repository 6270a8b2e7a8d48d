import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { credentials } from '@grpc/grpc-js'
import { SimulatedProxy } from '../test/xds/simulated-proxy.ts'

/** To the process of the proxies: connect these, `namespace/pod`, to `HOST:PORT`. */
interface Order {
  readonly address: string
  readonly proxies: readonly string[]
}

/** Simulated proxies in a process of their own, so that what they cost is not counted as the server's. */
export class ConnectedProxies {
  readonly #child: ChildProcess = fork(fileURLToPath(import.meta.url))

  connect(order: Order): void {
    this.#child.send(order)
  }

  async close(): Promise<void> {
    this.#child.disconnect()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on('message', ({ address, proxies }: Order) => {
    for (const key of proxies) {
      const [namespace, pod] = key.split('/')
      const id = `sidecar~127.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local`
      new SimulatedProxy(id, address, credentials.createInsecure()).connect()
    }
  })
  process.on('disconnect', () => process.exit())
}
