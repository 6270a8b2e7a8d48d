// Commands that look into a mesh that runs, on real Envoys.
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { startMesh, type TestMesh } from '../laptop/mesh.ts'
import { checkout, weft as weftElsewhere } from './weft.ts'

const sample = (name: string) => `${checkout}samples/bookinfo/${name}`

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({
    files: ['bookinfo.yaml', 'destination-rules.yaml', 'gateway.yaml', 'try/reviews-jason-v2.yaml'].map(sample),
    args: ['--name', 'cli'],
  })
  await mesh.synced()
})
afterAll(() => mesh?.dispose())

/** What a command prints; it must go well. */
async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await mesh.weft(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** The cells of a table's lines. */
function cells(text: string): string[][] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(/ {3,}/))
}

test('weft version', async () => {
  const text = await printed('version')
  expect(text).toMatch(/\nserver +\S+ \(mesh "cli"\)\n/)
  expect(text).toMatch(/\nenvoy +1\.\d+\.\d+ \(7 proxies\)\n/)
})

describe('weft get', () => {
  test('pods', async () => {
    const [headings, ...rows] = cells(await printed('get', 'pods'))
    expect(headings).toEqual(['NAME', 'READY', 'STATUS', 'IP'])
    expect(rows).toHaveLength(6)
    expect(rows[0]).toEqual(['details-v1-0', 'yes', 'Running', expect.stringMatching(/^127\./)])
  })

  test('everywhere, with namespaces', async () => {
    const rows = cells(await printed('get', 'po', '-A'))
    expect(rows.map(([namespace]) => namespace)).toContain('istio-system')
    expect(rows).toHaveLength(8)
  })

  test('several kinds', async () => {
    const text = await printed('get', 'vs,svc')
    expect(text).toMatch(/^virtualservice\.networking\.istio\.io\/reviews +<none> +reviews$/m)
    expect(text).toMatch(/^service\/ratings +ClusterIP +10\.\S+ +http:9080\/TCP$/m)
  })

  test('one object as YAML, all as JSON', async () => {
    expect(parse(await printed('get', 'vs', 'reviews', '-o', 'yaml'))).toMatchObject({
      kind: 'VirtualService',
      metadata: { name: 'reviews', namespace: 'default' },
    })
    const list = JSON.parse(await printed('get', 'serviceaccounts', '-o', 'json'))
    expect(list).toMatchObject({ kind: 'List' })
    expect(list.items).toHaveLength(4)
  })

  test('what is not there', async () => {
    expect(await mesh.weft('get', 'vs', 'reveiws')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'weft: there is no VirtualService "reveiws" in namespace default; write "reviews" if that was meant\n',
    })
    expect((await mesh.weft('get', 'pod', 'istio-ingressgateway-0')).stderr).toContain('; add -n istio-system for ')
    expect(await mesh.weft('get', 'sidecars', '-n', 'nowhere')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'No sidecars found in namespace nowhere.\n',
    })
  })
})

describe('weft proxy-config', () => {
  test('clusters', async () => {
    const rows = cells(await printed('proxy-config', 'productpage-v1', 'clusters', '--fqdn', 'reviews'))
    const fqdn = 'reviews.default.svc.cluster.local'
    expect(rows).toEqual([
      ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'],
      ...['-', 'v1', 'v2', 'v3'].map((subset) => [fqdn, '9080', subset, 'outbound', 'EDS', 'default/reviews']),
    ])
  })

  test('routes, and the object and file that they come from', async () => {
    const rows = cells(await printed('pc', 'productpage-v1', 'routes', '--fqdn', 'reviews'))
    const from = (rule: number) =>
      expect.stringMatching(
        `^VirtualService default/reviews spec\\.http\\[${rule}\\] \\(\\S+reviews-jason-v2\\.yaml:\\d+\\)$`,
      )
    expect(rows.slice(1).map(([, , ...rest]) => rest)).toEqual([
      ['/* end-user=jason', 'outbound|9080|v2|reviews.default.svc.cluster.local', from(0)],
      ['/*', 'outbound|9080|v1|reviews.default.svc.cluster.local', from(1)],
    ])
  })

  test('endpoints', async () => {
    const { address } = (await mesh.pods()).find(({ name }) => name === 'reviews-v2-0') ?? {}
    const rows = cells(await printed('pc', 'productpage-v1', 'endpoints', '--fqdn', 'reviews', '--subset', 'v2'))
    const cluster = 'outbound|9080|v2|reviews.default.svc.cluster.local'
    expect(rows.slice(1)).toEqual([[`${address}:9080`, 'HEALTHY', 'OK', '1', cluster]])
  })

  test('listeners, in the order of words that istioctl has', async () => {
    const rows = cells(await printed('proxy-config', 'listeners', 'istio-ingressgateway.istio-system'))
    expect(rows.slice(1)).toEqual([[expect.stringMatching(/^127\./), '8080', 'all', 'routes http.8080']])
  })

  test('secrets: whose certificate, and never a key', async () => {
    const text = await printed('pc', 'reviews-v1', 'secrets')
    expect(text).toMatch(
      /^default +certificate +active +yes +spiffe:\/\/cluster\.local\/ns\/default\/sa\/bookinfo-reviews /m,
    )
    expect(text).toMatch(/^ROOTCA +trusted CA +active +yes /m)
    expect(await printed('pc', 'reviews-v1', 'all', '-o', 'json')).not.toMatch(/PRIVATE KEY/)
  })

  test('bootstrap, and everything', async () => {
    expect(parse(await printed('pc', 'reviews-v1', 'bootstrap')).node.id).toMatch(/~reviews-v1-0\.default~/)
    const ofGrpc = JSON.parse(await printed('pc', 'reviews-v1', 'grpc-bootstrap'))
    expect(ofGrpc.node.id).toMatch(/^sidecar~127\.\d+\.\d+\.\d+~reviews-v1-0\.default~/)
    expect(ofGrpc.xds_servers[0].server_uri).toMatch(/^unix:\//)
    expect(JSON.parse(await printed('pc', 'reviews-v1', 'all', '-o', 'json')).configs.length).toBeGreaterThan(4)
    expect((await printed('pc', 'reviews-v1')).match(/^(SERVICE FQDN|ADDRESS|NAME|ENDPOINT) /gm)).toHaveLength(5)
  })

  test('without the server as well', async () => {
    const server = mesh.planePid('server')
    if (server === undefined) throw new Error('there is no server')
    process.kill(server, 'SIGSTOP')
    try {
      const rows = cells(await printed('pc', 'ratings-v1', 'clusters', '--direction', 'inbound'))
      expect(rows).toHaveLength(2)
    } finally {
      process.kill(server, 'SIGCONT')
    }
  })

  test('a view or a pod that there is not', async () => {
    expect((await mesh.weft('pc', 'reviews-v1', 'rutes')).stderr).toMatch(
      /^weft: there is no "rutes" to show; name one of: /,
    )
    expect((await mesh.weft('pc', 'review-v1', 'routes')).stderr).toMatch(/; write "reviews-v1" if that was meant\n$/)
  })
})

describe('weft analyze and proxy-status', () => {
  test('all is well', async () => {
    expect(await printed('analyze')).toMatch(/^no problems found in mesh "cli" \(\d+ objects\)\n$/)
    const [headings, ...rows] = cells(await printed('proxy-status'))
    expect(headings).toEqual(['NAME', 'CLUSTERS', 'ENDPOINTS', 'LISTENERS', 'ROUTES', 'CONNECTED', 'ENVOY'])
    expect(rows).toHaveLength(7)
    for (const row of rows) expect(row.slice(1, 5)).toEqual(['synced', 'synced', 'synced', 'synced'])
  })

  test('a route that Envoy refuses is told against its object and file, wherever one looks', async () => {
    await mesh.write(
      'broken.yaml',
      `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings }
spec:
  hosts: [ratings]
  http:
    - match: [{ uri: { regex: "/(unclosed" } }]
      route: [{ destination: { host: ratings } }]
`,
    )
    const status = await printed('proxy-status')
    expect(status).toMatch(/^default\/reviews-v2-0 +synced +synced +synced +rejected \(1\) /m)
    expect(status).toMatch(/broken\.yaml:1:1: error: VirtualService default\/ratings\n.*\[rejected-by-proxy\]/)

    const { code, stdout } = await mesh.weft('analyze')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /broken\.yaml:7:31: error: VirtualService default\/ratings spec\.http\[0\].*regex\n.*\[bad-regex\]/,
    )
    expect(stdout).toMatch(/\[rejected-by-proxy\]/)

    await mesh.remove('broken.yaml')
    expect(await printed('proxy-status')).not.toContain('rejected')
  })

  test('one proxy as data', async () => {
    const [status] = JSON.parse(await printed('ps', 'ratings-v1', '-o', 'json'))
    expect(status).toMatchObject({ proxy: 'default/ratings-v1-0', types: expect.any(Array) })
  })
})

describe('weft describe', () => {
  test('a pod: its identity, mutual TLS, and what has a say in it', async () => {
    const text = await printed('describe', 'pod', 'reviews-v2')
    expect(text).toMatch(
      /^Pod default\/reviews-v2-0\n.*\n {2}identity {2}spiffe:\/\/\S+\/sa\/bookinfo-reviews\n.*, synced\n/,
    )
    expect(text).toContain('  PERMISSIVE\n  by default: no PeerAuthentication is for it\n')
    expect(text).toContain('  VirtualService default/reviews: routes its calls within the mesh\n')
    expect(text).toContain('  DestinationRule default/reviews: subsets v1, v2, v3\n')
  })

  test('a service: endpoints and routes', async () => {
    const text = await printed('describe', 'service', 'productpage')
    expect(text).toMatch(
      /\nEndpoints: 1 of 1 ready\n {2}127\.\S+ {2}default\/productpage-v1-0: mutual TLS PERMISSIVE\n/,
    )
    expect(text).toContain('VirtualService default/bookinfo: leads to it from Gateway default/bookinfo-gateway\n')
  })

  test('what is not there', async () => {
    expect((await mesh.weft('describe', 'svc', 'reveiws')).stderr).toBe(
      'weft: there is no service "reveiws"; write "reviews" if that was meant\n',
    )
  })
})

test('a Secret is listed without what is in it', async () => {
  await mesh.write(
    'secret.yaml',
    `apiVersion: v1
kind: Secret
metadata: { name: hidden }
stringData: { password: hunter2 }
data: { other: aHVudGVyMg== }
`,
  )
  const text = await printed('get', 'secrets', 'hidden', '-o', 'yaml')
  expect(text).toContain('password: ""')
  expect(text).not.toMatch(/hunter2|aHVudGVyMg/)
  await mesh.remove('secret.yaml')
})

test('a mesh is chosen by name, and one that does not run is told', async () => {
  expect(await printed('get', 'pods', '--name', 'cli')).toContain('details-v1-0')
  expect((await mesh.weft('get', 'pods', '--name', 'clo')).stderr).toBe(
    'weft: no mesh called "clo" is running: there is cli; write --name cli if that was meant\n',
  )
  expect((await weftElsewhere('get', 'pods')).stderr).toContain('no mesh is running')
})
