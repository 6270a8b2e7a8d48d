import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { STRICT } from './echo-pods.ts'

const BOOKINFO = fileURLToPath(new URL('../../../shared/corpus/istio-samples/bookinfo/', import.meta.url))
const hasBookinfo = existsSync(BOOKINFO)
if (!hasBookinfo) console.warn(`skipped: no published samples at ${BOOKINFO}`)

/** `GatewayClass istio`, which the published YAML names, as ours. */
const CLASS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: istio }
spec: { controllerName: weft.dev/gateway-controller }
`

/** What Istio's installation has for Istio's own Gateways: pods with the label that they select, which injection makes gateways. */
const INGRESS = `
apiVersion: v1
kind: Service
metadata: { name: ingressgateway }
spec: { type: LoadBalancer, selector: { istio: ingressgateway }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ingressgateway }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  template:
    metadata:
      labels: { istio: ingressgateway, sidecar.istio.io/inject: "true" }
      annotations: { inject.istio.io/templates: gateway }
    spec: { containers: [{ name: istio-proxy, image: auto, imagePullPolicy: IfNotPresent }] }
`

const NAMESPACE = 'bookinfo'

describe.skipIf(noCluster || !hasBookinfo)('the published Bookinfo with STRICT', () => {
  let cluster: Cluster
  const published = (file: string) => cluster.apply(NAMESPACE, join(BOOKINFO, file))

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace(NAMESPACE)
    await cluster.apply(NAMESPACE, `${STRICT}${CLASS}---${INGRESS}`)
    await published('platform/kube/bookinfo.yaml')
    await published('gateway-api/bookinfo-gateway.yaml')
    await published('networking/bookinfo-gateway.yaml')
    await cluster.rolledOut(NAMESPACE, 120)
  }, CLUSTER_MS)

  afterAll(async () => {
    await cluster?.removeNamespaces()
    await cluster?.kubectl('delete', 'gatewayclass', 'istio', '--ignore-not-found')
  })

  const addressOf = (service: string) =>
    until(`an address of ${service}`, async () => {
      const path = 'jsonpath={.status.loadBalancer.ingress[0].ip}'
      return (await cluster.kubectl('-n', NAMESPACE, 'get', 'service', service, '-o', path)) || undefined
    })

  /** Which versions of reviews answer, of 30 pages. */
  const reviewsSeen = async (url: string) => {
    const versions = new Set<string>()
    for (let i = 0; i < 30; i++) {
      const page = await get(`${url}/productpage`)
      if (page.status !== 200) throw new Error(`status ${page.status}`)
      versions.add(/reviews-(v\d)/.exec(page.body)?.[1] ?? 'none')
    }
    return [...versions].sort()
  }

  test('is seen through a Gateway of the Gateway API, with all versions of reviews', async () => {
    const url = `http://${await addressOf('bookinfo-gateway-istio')}`
    await until('all versions', async () => (await reviewsSeen(url)).join() === 'v1,v2,v3', 60)
  }, 120_000)

  test('is seen through an Istio Gateway, at pods that injection made gateways', async () => {
    const url = `http://${await addressOf('ingressgateway')}:8080`
    await until('all versions', async () => (await reviewsSeen(url)).join() === 'v1,v2,v3', 60)
  }, 120_000)

  test('goes where the published routes send it, by version', async () => {
    const url = `http://${await addressOf('ingressgateway')}:8080`
    await published('networking/destination-rule-all.yaml')
    await published('networking/virtual-service-all-v1.yaml')
    await until('version 1 only', async () => (await reviewsSeen(url)).join() === 'v1', 60)
    await published('networking/virtual-service-reviews-v3.yaml')
    await until('version 3 only', async () => (await reviewsSeen(url)).join() === 'v3', 60)
    // Kept by the Gateway API's parents, too: the Gateway says that its route is attached.
    const gateway = JSON.parse(
      await cluster.kubectl(
        '-n',
        NAMESPACE,
        'get',
        'gateway.gateway.networking.k8s.io',
        'bookinfo-gateway',
        '-o',
        'json',
      ),
    ) as {
      readonly status: { readonly listeners: readonly { readonly attachedRoutes: number }[] }
    }
    expect(gateway.status.listeners.map(({ attachedRoutes }) => attachedRoutes)).toEqual([1])
  }, 150_000)
})

async function get(url: string): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  request(url, { agent: false, timeout: 10_000 }, (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
  })
    .on('timeout', () => reject(new Error('no answer')))
    .on('error', reject)
    .end()
  return promise
}
