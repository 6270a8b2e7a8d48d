import { isIP } from 'node:net'
import { ServerCredentials } from '@grpc/grpc-js'
import { analyze } from '../analysis/analyze.ts'
import { type Log, logToStderr } from '../identity/log.ts'
import { messageText } from '../resources/message.ts'
import { ApiServer, type ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../sources/kubernetes/kubernetes-source.ts'
import { Store } from '../store/store.ts'
import { proxyResources } from '../translate/proxy-resources.ts'
import { AdsServer } from '../xds/ads-server.ts'
import { nackMessage } from '../xds/nack-message.ts'
import { PushScheduler } from '../xds/push-scheduler.ts'
import { serveHealth } from './health.ts'
import { podOfNode } from './proxy-identity.ts'
import { Rejections } from './rejections.ts'
import type { RunningServer } from './server.ts'

export interface ClusterServerOptions {
  readonly cluster: ClusterAccess
  /** `HOST:PORT` for readiness and status. */
  readonly httpAddress: string
  /** `HOST:PORT` on the loopback interface for xDS without TLS, where every proxy is who it says it is: for measurements and trials. */
  readonly insecureXdsAddress?: string
}

/** The control plane of a cluster. Resolves as soon as it serves its health; it is ready once it knows all of the cluster and serves proxies. */
export async function startClusterServer(
  { cluster, httpAddress, insecureXdsAddress }: ClusterServerOptions,
  log: Log = logToStderr,
): Promise<RunningServer> {
  if (insecureXdsAddress !== undefined) refuseUnlessLoopback(insecureXdsAddress)
  const server = new ApiServer(cluster)
  const store = new Store()
  const rejections = new Rejections()
  const source = new KubernetesSource({ server, store, log })
  const ads = new AdsServer({
    authenticate: (_, node) => podOfNode(node),
    resources: (proxy) => proxyResources(store.snapshot, proxy),
    onNack: (nack) => {
      rejections.add(nack)
      log('error', messageText(nackMessage(nack)))
    },
    onRecovered: (proxy, url, name) => rejections.recovered(proxy, url, name),
    onError: (proxy, error) => log('error', `proxy ${proxy}: ${error instanceof Error ? error.stack : String(error)}`),
  })
  let ready = false
  const health = await serveHealth(httpAddress, {
    ready: () => ready,
    waitingFor: () => store.unsynced,
    kubernetes: () => source.status(),
    messages: () => [...analyze(store.snapshot), ...rejections.messages(store.snapshot)],
    proxies: () => ads.status(),
  })
  const started = performance.now()
  source.start()
  void store.synced().then(async () => {
    const pushes = new PushScheduler(() => ads.changed())
    store.subscribe(() => pushes.changed())
    if (insecureXdsAddress !== undefined) await ads.listen(ServerCredentials.createInsecure(), insecureXdsAddress)
    ready = true
    log(
      'info',
      `knows the cluster at ${server.url} after ${Math.round(performance.now() - started)} ms, serving proxies`,
    )
  })
  log('info', `reading the cluster at ${server.url}; readiness is told at http://${httpAddress}/ready`)

  return {
    async close() {
      source.close()
      await ads.stop()
      await health.close()
    },
  }
}

function refuseUnlessLoopback(address: string): void {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
  if (host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))) return
  throw new Error(
    `${address} can be reached by others: insecure xDS is served at loopback addresses only, such as 127.0.0.1:15010`,
  )
}
