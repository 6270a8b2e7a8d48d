import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseYaml } from '../../src/resources/parse.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from './gateway-pod.ts'
import { MeshOfEnvoys } from './mesh-of-envoys.ts'
import { ask, askDirectly, type TestPod, testPod } from './test-pods.ts'

const SAMPLES = join(import.meta.dirname, '../../../shared/corpus/istio-samples')

/** Files with Istio or Gateway API configuration, among others. */
const FOLDERS = [
  'bookinfo/networking',
  'bookinfo/gateway-api',
  'httpbin',
  'httpbin/gateway-api',
  'helloworld',
  'tcp-echo',
  'tcp-echo/gateway-api',
  'websockets',
  'external',
]
const MESH_GROUPS = /^(networking\.istio\.io|gateway\.networking\.k8s\.io)\//

/** The objects of the mesh's own kinds in a file, as YAML. */
function meshObjects(file: string): string {
  const { resources } = parseYaml(readFileSync(file, 'utf8'), file)
  return resources
    .filter(({ apiVersion }) => MESH_GROUPS.test(apiVersion))
    .map((resource) => JSON.stringify(resource))
    .join('\n---\n')
}

/** One service without pods, and a Service that maps the port 80 of gateways to one that anybody may listen on. */
const services = (...names: readonly string[]) =>
  names.map(
    (name) => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { ports: [{ name: http, port: 9080 }] }`,
  )

const GATEWAY_SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: gateways }
spec: { selector: { weft.dev/proxy-role: gateway }, ports: [{ name: http, port: 80, targetPort: 8080 }] }`

describe.skipIf(!existsSync(SAMPLES))("Istio's published samples (in ../shared/corpus)", () => {
  let mesh: MeshOfEnvoys
  let client: TestPod
  let ingress: string
  let marks = 0

  beforeAll(async () => {
    mesh = await MeshOfEnvoys.start()
    client = await testPod({ name: 'client', labels: { app: 'client' } })
    ingress = await freeLoopback()
    mesh.apply(client.yaml, GATEWAY_SERVICE, ...services('productpage', 'reviews', 'ratings', 'details'))
    mesh.apply(gatewayPod({ name: 'ingress-0', address: ingress, labels: { istio: 'ingressgateway' } }))
    mesh.apply(
      gatewayPod({
        name: 'web-0',
        address: await freeLoopback(),
        labels: { 'gateway.networking.k8s.io/gateway-name': 'bookinfo-gateway' },
      }),
    )
    await mesh.startProxies()
  })

  afterAll(() => mesh?.stop())

  const files = existsSync(SAMPLES)
    ? FOLDERS.flatMap((folder) =>
        readdirSync(join(SAMPLES, folder))
          .filter((name) => name.endsWith('.yaml'))
          .map((name) => `${folder}/${name}`),
      )
    : []

  test.each(files.filter((file) => meshObjects(join(SAMPLES, file)) !== ''))('%s is taken by Envoy', async (file) => {
    const objects = meshObjects(join(SAMPLES, file))
    marks++
    const mark = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: mark }
spec:
  hosts: [mark-${marks}.example]
  http: [{ directResponse: { status: 299 } }]`
    mesh.apply(objects, mark)
    await eventually(
      'the proxies to have it',
      async () => (await ask(client, `http://mark-${marks}.example/`)).status === 299,
    )
    expect(mesh.nacks).toEqual([])
    mesh.remove(objects)
  })

  test("Bookinfo's gateway routes to a service without pods", async () => {
    mesh.apply(meshObjects(join(SAMPLES, 'bookinfo/networking/bookinfo-gateway.yaml')))
    await eventually('the gateway', () =>
      askDirectly(ingress, 8080, '/productpage').then(
        ({ status }) => status === 503,
        () => false,
      ),
    )
    expect((await askDirectly(ingress, 8080, '/else')).status).toBe(404)
    expect(mesh.nacks).toEqual([])
  })
})
