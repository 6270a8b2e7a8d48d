import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { type Echoed, echo, STRICT } from './echo-pods.ts'

const PREFIX = 'traffic.sidecar.istio.io'

/** A host that no name server knows, at a pod outside of the mesh. */
const legacy = (address: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: legacy }
spec:
  hosts: [legacy.example]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: ${address}, ports: { http: 8080 } }]
---
`

describe.skipIf(noCluster)("what of a pod's traffic goes through its proxy", () => {
  let cluster: Cluster
  let outsider: string

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace('capture')
    await cluster.namespace('capture-outside', false)
    await cluster.apply('capture-outside', echo('outsider'))
    const [serviceIp = ''] = [
      await cluster.kubectl('-n', 'capture-outside', 'get', 'svc', 'outsider', '-o', 'jsonpath={.spec.clusterIP}'),
    ]
    const annotated = {
      'proxy.istio.io/config': 'proxyMetadata: { ISTIO_META_DNS_CAPTURE: "true" }',
      [`${PREFIX}/excludeOutboundIPRanges`]: `${serviceIp}/32`,
    }
    const open = { [`${PREFIX}/excludeInboundPorts`]: '8080' }
    const seeing = { 'sidecar.istio.io/interceptionMode': 'TPROXY' }
    await cluster.apply(
      'capture',
      `${STRICT}${echo('client', 1, annotated)}${echo('open', 1, open)}${echo('seeing', 1, seeing)}`,
    )
    await cluster.rolledOut('capture-outside')
    ;({ address: outsider } = await cluster.place('capture-outside', 'outsider'))
    await cluster.apply('capture', legacy(outsider))
    await cluster.rolledOut('capture')
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces())

  const ask = async (namespace: string, from: string, url: string) => {
    const script = `fetch(process.argv[1]).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })), (e) => console.log(JSON.stringify({ problem: String(e.cause?.code ?? e) })))`
    return JSON.parse(await cluster.node(namespace, from, script, url)) as Asked
  }

  test('names that only the mesh knows are answered where the pod asks for it', async () => {
    const { pod } = await cluster.place('capture-outside', 'outsider')
    const { body } = await until('legacy.example to be called', async () => {
      const asked = await ask('capture', 'client', 'http://legacy.example/')
      return asked.status === 200 ? asked : undefined
    })
    expect((JSON.parse(body ?? '') as Echoed).pod).toBe(pod)
    // Other names are as ever.
    expect(await ask('capture', 'client', 'http://no-such-host.example/')).toEqual({
      problem: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
    })
    expect(await ask('capture', 'open', 'http://legacy.example/')).toEqual({
      problem: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
    })
  }, 120_000)

  test('not what is sent to addresses that the pod excludes', async () => {
    const headersOf = async (from: string) => {
      const { body } = await ask('capture', from, 'http://outsider.capture-outside/')
      return Object.keys((JSON.parse(body ?? '{}') as Echoed).headers)
    }
    expect(await headersOf('client')).not.toContain('x-request-id')
    expect(await headersOf('open')).toContain('x-request-id')
  }, 60_000)

  test('applications see from where they are called where TPROXY is chosen, and are protected as others', async () => {
    const from = async (client: string, url: string) => {
      const { body } = await ask('capture', client, url)
      return (JSON.parse(body ?? '{}') as Echoed).from?.replace('::ffff:', '')
    }
    for (const client of ['client', 'open'])
      expect(await from(client, 'http://seeing/')).toBe((await cluster.place('capture', client)).address)
    const { address } = await cluster.place('capture', 'seeing')
    expect(await ask('capture-outside', 'outsider', `http://${address}:8080/`)).toEqual({ problem: expect.any(String) })
    // Others see what proxies call them from; and its own calls go through its proxy.
    expect(await from('seeing', 'http://client/')).toBe('127.0.0.6')
    expect(await from('seeing', 'http://seeing/')).toBe(address)
  }, 120_000)

  test('where agents may not enter the networks of pods, init containers redirect', async () => {
    // In a namespace that the webhook is not asked about, injected ahead of time.
    const prepared = echo('prepared', 1, { 'sidecar.istio.io/interceptionMode': 'TPROXY' })
    const args = ['--capture', 'init-container', '-n', 'capture-outside']
    await cluster.apply('capture-outside', await cluster.injected(prepared, ...args))
    await cluster.rolledOut('capture-outside')
    const { body } = await ask('capture', 'client', 'http://prepared.capture-outside/')
    const { from, headers } = JSON.parse(body ?? '{}') as Echoed
    expect(headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/capture/sa/client')
    expect(from.replace('::ffff:', '')).toBe((await cluster.place('capture', 'client')).address)
    const containers = ['-l', 'app=prepared', '-o', 'jsonpath={.items[0].spec.initContainers[*].name}']
    expect(await cluster.kubectl('-n', 'capture-outside', 'get', 'pods', ...containers)).toBe('weft-init weft-proxy')
  }, 240_000)

  test('not what comes to ports that the pod excludes', async () => {
    const [{ address: open }, { address: client }] = [
      await cluster.place('capture', 'open'),
      await cluster.place('capture', 'client'),
    ]
    expect(await ask('capture-outside', 'outsider', `http://${open}:8080/`)).toMatchObject({ status: 200 })
    expect(await ask('capture-outside', 'outsider', `http://${client}:8080/`)).toEqual({ problem: expect.any(String) })
  }, 60_000)
})

interface Asked {
  readonly status?: number
  readonly body?: string
  readonly problem?: string
}
