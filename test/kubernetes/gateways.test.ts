import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { type Echoed, echo, STRICT } from './echo-pods.ts'

const SPACE = 'gateways'

describe.skipIf(noCluster)('a Gateway of the Gateway API', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace(SPACE)
    await cluster.apply(SPACE, `${STRICT}${echo('client')}${echo('server')}${gateway(80)}${ROUTE}`)
    await cluster.rolledOut(SPACE)
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces(), 90_000)

  const ask = async (port: number) => {
    const url = `http://web-weft.${SPACE}:${port}/`
    const script = `fetch(${JSON.stringify(url)}).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })), (e) => console.log(JSON.stringify({ problem: String(e.cause?.message ?? e) })))`
    return JSON.parse(await cluster.node(SPACE, 'client', script)) as { status?: number; body?: string }
  }
  const fieldOf = (object: string, path: string) =>
    cluster.kubectl('-n', SPACE, 'get', object, '--ignore-not-found', '-o', `jsonpath=${path}`)

  test('has an address, and takes requests to where STRICT is in force, as itself', async () => {
    const programmed = '{.status.conditions[?(@.type=="Programmed")].status}'
    await until(
      'the Gateway to be programmed',
      async () => (await fieldOf('gateway.gateway.networking.k8s.io/web', programmed)) === 'True',
    )
    expect(await fieldOf('gateway.gateway.networking.k8s.io/web', '{.status.addresses[0].value}')).toBe(
      await fieldOf('service/web-weft', '{.status.loadBalancer.ingress[0].ip}'),
    )
    await until('the gateway to answer', async () => (await ask(80)).status === 200)
    const { headers } = JSON.parse((await ask(80)).body ?? '{}') as Echoed
    expect(headers['x-forwarded-client-cert']).toContain(`URI=spiffe://cluster.local/ns/${SPACE}/sa/web-weft`)
  })

  test('listens elsewhere when its listeners say so', async () => {
    await cluster.apply(SPACE, gateway(8080))
    await until('the new port to answer', async () => (await ask(8080)).status === 200)
    expect(await fieldOf('service/web-weft', '{.spec.ports[*].port}')).toBe('8080')
  })

  test('has as many replicas as its parameters want', async () => {
    await cluster.apply(
      SPACE,
      `${REPLICAS}${gateway(8080, 'infrastructure: { parametersRef: { group: "", kind: ConfigMap, name: web } }')}`,
    )
    await until(
      'two replicas to be ready',
      async () => (await fieldOf('deploy/web-weft', '{.status.readyReplicas}')) === '2',
    )
    expect((await ask(8080)).status).toBe(200)
  })

  test('leaves nothing behind', async () => {
    await cluster.kubectl('-n', SPACE, 'delete', 'gateway.gateway.networking.k8s.io', 'web')
    const kinds = 'deployment,service,serviceaccount,horizontalpodautoscaler,poddisruptionbudget'
    const label = 'gateway.networking.k8s.io/gateway-name=web'
    await until(
      'all to be gone',
      async () => (await cluster.kubectl('-n', SPACE, 'get', kinds, '-l', label, '-o', 'name')) === '',
    )
  })
})

function gateway(port: number, more = ''): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: ${port}, protocol: HTTP }]
  ${more}
---
`
}

const ROUTE = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ name: web }]
  rules: [{ backendRefs: [{ name: server, port: 80 }] }]
---
`

const REPLICAS = `
apiVersion: v1
kind: ConfigMap
metadata: { name: web }
data:
  horizontalPodAutoscaler: |
    spec: { minReplicas: 2 }
---
`
