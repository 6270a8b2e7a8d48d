// Who is let in: PERMISSIVE and STRICT, plaintext, the mesh's own certificates, and those of somebody else.
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type CertificateAuthority, openCa } from '../../src/identity/ca.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { workloadId } from '../../src/identity/spiffe.ts'
import { BOOKINFO, PAGE, wholePage } from './bookinfo.ts'
import { get, startMesh, type TestMesh } from './mesh.ts'

let mesh: TestMesh
let details: string
beforeAll(async () => {
  mesh = await startMesh({ files: BOOKINFO })
  details = (await mesh.pod('details-v1-0')).plan.address
})
afterAll(() => mesh?.dispose())

const policy = (spec: string, { name = 'default', namespace = 'default' } = {}) => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`
const STRICT = policy('{ mtls: { mode: STRICT } }')

beforeEach(async () => {
  await mesh.write('policy.yaml', '# no policy')
})

/** What a plaintext client is answered by details' sidecar: its status, or that the connection was cut. */
async function plaintext(): Promise<number | string> {
  return get(`http://${details}:9080/details/0`).then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  )
}

/** What a client is answered that shows a certificate of a CA. */
async function withCertificate(ca: CertificateAuthority): Promise<number | string> {
  const keys = await makeKeyPair()
  const spiffeId = workloadId('default', 'bookinfo-productpage')
  const { chainPem } = await ca.signCsr({ csrPem: await makeCsr(keys), spiffeId })
  const key = await privateKeyPem(keys.privateKey)
  return new Promise((resolve) => {
    const socket = connectTls({
      host: details,
      port: 9080,
      key,
      cert: chainPem,
      ALPNProtocols: ['istio-http/1.1'],
      rejectUnauthorized: false, // who is asked here is the server
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    const outgoing = request(
      { createConnection: () => socket, path: '/details/0', headers: { host: 'details:9080' } },
      (incoming) => {
        incoming.resume()
        resolve(incoming.statusCode ?? 0)
        socket.destroy()
      },
    )
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    outgoing.end()
  })
}

const meshCa = () => openCa(join(mesh.home, 'state', 'weft', 'default', 'ca'))

test('by default both are served, mesh certificates and plaintext', async () => {
  expect(await plaintext()).toBe(200)
  expect(await withCertificate(await meshCa())).toBe(200)
})

test("a client with another CA's certificate is refused, whatever the mode", async () => {
  const folder = mkdtempSync(join(mesh.home, 'other-ca-'))
  const other = await openCa(join(folder, 'ca'))
  expect(await withCertificate(other)).toMatch(/ECONNRESET|SSL|ALERT/)
  await mesh.write('policy.yaml', STRICT)
  expect(await withCertificate(other)).toMatch(/ECONNRESET|SSL|ALERT/)
  expect(await withCertificate(await meshCa())).toBe(200)
  rmSync(folder, { recursive: true })
})

test('STRICT goes on and off with no failed request in the mesh, and refuses plaintext while it is on', {
  timeout: 60_000,
}, async () => {
  const load = await mesh.load(PAGE, wholePage)
  await load.more(20)
  for (let n = 0; n < 3; n++) {
    await mesh.write('policy.yaml', STRICT)
    expect(await plaintext()).toMatch(/ECONNRESET|socket hang up/)
    await load.more(10)
    await mesh.write('policy.yaml', policy('{ mtls: { mode: PERMISSIVE } }'))
    expect(await plaintext()).toBe(200)
    await load.more(10)
  }
  const { failures } = await load.stop()
  expect(failures).toEqual([])
})

test('the most specific policy counts: port over workload over namespace over mesh', async () => {
  const mesh_wide = policy('{ mtls: { mode: STRICT } }', { namespace: 'istio-system' })
  await mesh.write('policy.yaml', mesh_wide)
  expect(await plaintext()).toMatch(/ECONNRESET|socket hang up/)
  const namespace = policy('{ mtls: { mode: PERMISSIVE } }')
  await mesh.write('policy.yaml', `${mesh_wide}---${namespace}`)
  expect(await plaintext()).toBe(200)
  const workload = policy('{ selector: { matchLabels: { app: details } }, mtls: { mode: STRICT } }', {
    name: 'details',
  })
  await mesh.write('policy.yaml', `${mesh_wide}---${namespace}---${workload}`)
  expect(await plaintext()).toMatch(/ECONNRESET|socket hang up/)
  const port = workload.replace(
    'mtls: { mode: STRICT } }',
    'mtls: { mode: STRICT }, portLevelMtls: { 9080: { mode: PERMISSIVE } } }',
  )
  await mesh.write('policy.yaml', `${mesh_wide}---${namespace}---${port}`)
  expect(await plaintext()).toBe(200)
  expect((await mesh.get(PAGE)).status).toBe(200)
})
