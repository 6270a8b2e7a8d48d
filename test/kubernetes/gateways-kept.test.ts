import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { keepGateways } from '../../src/controllers/gateways/keep-gateways.ts'
import { type ApiRequest, ApiServer } from '../../src/sources/kubernetes/api-server.ts'
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes-source.ts'
import { Store } from '../../src/store/store.ts'
import { ApiServerLab, noLab } from './api-server-lab.ts'

if (noLab) console.warn(`skipping the tests of what is made for Gateways: ${noLab}`)

const GATEWAY_API = '/apis/gateway.networking.k8s.io/v1'
const GATEWAYS = `${GATEWAY_API}/namespaces/default/gateways`
const SERVICES = '/api/v1/namespaces/default/services'
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'

/** Counts what is written. */
class CountingServer extends ApiServer {
  readonly writes: string[] = []

  override send(request: ApiRequest): Promise<unknown> {
    if (request.method !== 'GET') this.writes.push(`${request.method} ${request.path.replace(/\?.*/, '')}`)
    return super.send(request)
  }
}

describe.skipIf(noLab)('what a Gateway needs', () => {
  let lab: ApiServerLab
  let endings: (() => void)[] = []

  beforeAll(async () => {
    lab = await ApiServerLab.start()
    await lab.installDefinitions()
    const spec = { controllerName: 'weft.dev/gateway-controller' }
    await lab.must('POST', `${GATEWAY_API}/gatewayclasses`, { ...gatewayApi('GatewayClass', 'weft'), spec })
  })
  afterAll(() => lab?.close())
  afterEach(() => {
    for (const end of endings) end()
    endings = []
  })

  async function start() {
    const server = new CountingServer({ kubeconfig: lab.kubeconfig('admin') })
    const store = new Store()
    const logged: string[] = []
    const log = (severity: string, text: string) => logged.push(`${severity}: ${text}`)
    const source = new KubernetesSource({ server, store, log })
    source.start()
    await store.synced()
    const ending = new AbortController()
    keepGateways({ server, store, podTemplate, log, lookAgainMs: 500 }, ending.signal)
    endings.push(() => {
      ending.abort()
      source.close()
    })
    return { server, store, logged }
  }

  const specOf = async (path: string) => ((await lab.request('GET', path)).body as { spec?: Spec }).spec
  const portsOf = async (name: string) => (await specOf(`${SERVICES}/${name}`))?.ports?.map(({ port }) => port)

  test('is made once, follows the listeners, and comes back where somebody changed or deleted it', async () => {
    await lab.must('POST', GATEWAYS, gateway('web', [80]))
    const { server } = await start()
    await expect.poll(() => portsOf('web-weft')).toEqual([80])
    expect(server.writes.length).toBe(5)

    await lab.patch(`${GATEWAYS}/web`, gateway('web', [80, 8080]))
    await expect.poll(() => portsOf('web-weft')).toEqual([80, 8080])
    await lab.patch(`${GATEWAYS}/web`, gateway('web', [8080]))
    await expect.poll(() => portsOf('web-weft')).toEqual([8080])
    expect(server.writes.length).toBe(7)

    await lab.must('DELETE', `${SERVICES}/web-weft`)
    await expect.poll(() => portsOf('web-weft')).toEqual([8080])
    await lab.patch(`${DEPLOYMENTS}/web-weft`, { spec: { template: { spec: { serviceAccountName: 'other' } } } })
    const account = async () => (await specOf(`${DEPLOYMENTS}/web-weft`))?.template?.spec?.serviceAccountName
    await expect.poll(account, { timeout: 30_000 }).toBe('web-weft')
  })

  test('is written no more where nothing changed, by another replica as little', async () => {
    const first = await start()
    await after(1500)
    expect(first.server.writes).toEqual([])
    await lab.must('POST', SERVICES, { metadata: { name: 'unrelated' }, spec: { ports: [{ port: 80 }] } })
    await lab.patch(`${GATEWAYS}/web`, { metadata: { annotations: { unrelated: 'yes' } } })
    await lab.patch(`${DEPLOYMENTS}/web-weft`, { spec: { replicas: 3 } })
    await after(1500)
    expect(first.server.writes).toEqual([])
  })

  test('does not take what is called so and is not its own', async () => {
    await lab.must('POST', SERVICES, { metadata: { name: 'taken-weft' }, spec: { ports: [{ port: 99 }] } })
    await lab.must('POST', GATEWAYS, gateway('taken', [80]))
    const { logged } = await start()
    await expect
      .poll(() => logged)
      .toContainEqual(expect.stringMatching(/^warning: .*Service default\/taken-weft is not made for a Gateway/))
    await expect.poll(() => specOf(`${DEPLOYMENTS}/taken-weft`)).toBeDefined()
    expect(await portsOf('taken-weft')).toEqual([99])
  })

  test('is not made again in a namespace that goes', async () => {
    await lab.must('POST', '/api/v1/namespaces', { metadata: { name: 'going' } })
    await lab.must('POST', GATEWAYS.replace('default', 'going'), gateway('web', [80]))
    const { server, store, logged } = await start()
    const service = SERVICES.replace('default', 'going')
    await expect.poll(() => specOf(`${service}/web-weft`)).toBeDefined()
    const written = server.writes.length
    await lab.must('DELETE', '/api/v1/namespaces/going')
    const going = () => store.snapshot.get('core/Namespace', 'going')?.metadata.deletionTimestamp
    await expect.poll(going).toBeDefined()
    await lab.must('DELETE', `${service}/web-weft`)
    // It is seen that the other one is missing by the time that this one is made.
    await lab.must('DELETE', `${SERVICES}/web-weft`)
    await expect.poll(() => portsOf('web-weft')).toEqual([8080])
    expect(server.writes.slice(written)).toHaveLength(1)
    expect(logged.filter((line) => line.startsWith('error'))).toEqual([])
  })

  test('is left alone while its class is gone, and taken away with another class', async () => {
    const { server } = await start()
    await lab.must('DELETE', `${GATEWAY_API}/gatewayclasses/weft`)
    await after(1000)
    expect(server.writes).toEqual([])
    expect(await portsOf('web-weft')).toEqual([8080])
    const other = { ...gatewayApi('GatewayClass', 'weft'), spec: { controllerName: 'example.com/other' } }
    await lab.must('POST', `${GATEWAY_API}/gatewayclasses`, other)
    await expect.poll(() => portsOf('web-weft'), { timeout: 30_000 }).toBeUndefined()
    await expect.poll(() => specOf(`${DEPLOYMENTS}/web-weft`), { timeout: 30_000 }).toBeUndefined()
    expect(await portsOf('taken-weft')).toEqual([99])
  })
})

interface Spec {
  readonly ports?: readonly { readonly port: number }[]
  readonly template?: { readonly spec?: { readonly serviceAccountName?: string } }
}

function gatewayApi(kind: string, name: string) {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name } }
}

function gateway(name: string, ports: readonly number[]) {
  const listeners = ports.map((port) => ({ name: `http-${port}`, port, protocol: 'HTTP' }))
  return { ...gatewayApi('Gateway', name), spec: { gatewayClassName: 'weft', listeners } }
}

function podTemplate({ serviceAccount, labels }: { serviceAccount: string; labels: Readonly<Record<string, string>> }) {
  return {
    metadata: { labels },
    spec: { serviceAccountName: serviceAccount, containers: [{ name: 'weft-proxy', image: 'envoy' }] },
  }
}
