// What real Envoys offer each other where approved algorithms alone are to be used.
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useApprovedAlgorithms } from '../../src/translate/mtls.ts'
import { eventually } from '../eventually.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { ask, httpApplication, type TestPod, testPod } from '../translate/test-pods.ts'

let mesh: MeshOfEnvoys
let client: TestPod
let web: TestPod
let stop: () => void

beforeAll(async () => {
  useApprovedAlgorithms()
  mesh = await MeshOfEnvoys.start()
  client = await testPod({ name: 'client', labels: { app: 'client' } })
  web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
  stop = await httpApplication(web, 8080)
  mesh.apply(
    `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`,
    client.yaml,
    web.yaml,
  )
  await mesh.startProxies()
  await eventually('the way to be open', async () => (await ask(client, 'http://web/')).status === 200)
})
afterAll(async () => {
  stop?.()
  await mesh?.stop()
})

/** What a client with a certificate of the mesh settles on, or why it does not. */
async function settled(offer: object): Promise<string> {
  const { key, cert, ca } = await mesh.certificate('spiffe://cluster.local/ns/default/sa/client')
  return new Promise((resolve) => {
    const socket = connect({
      host: web.address,
      port: 8080,
      key,
      cert,
      ca,
      ALPNProtocols: ['istio'],
      checkServerIdentity: () => undefined,
      ...offer,
    })
    socket.on('secureConnect', () => {
      resolve(socket.getCipher().standardName)
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

test('sidecars talk to each other, and no Envoy refuses it', async () => {
  const { seen } = await ask(client, 'http://web/')
  expect(seen?.headers['x-forwarded-client-cert']).toContain('sa/client')
  expect(mesh.nacks).toEqual([])
})

test.each([
  ['AES with 256 bits', { ciphers: 'TLS_AES_256_GCM_SHA384' }, 'TLS_AES_256_GCM_SHA384'],
  ['the curve P-256', { ecdhCurve: 'P-256', ciphers: 'TLS_AES_128_GCM_SHA256' }, 'TLS_AES_128_GCM_SHA256'],
  ['ChaCha20', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }, 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
  ['the curve X25519', { ecdhCurve: 'X25519' }, 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'],
  ['TLS 1.2', { maxVersion: 'TLSv1.2' }, 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
  [
    'TLS 1.1',
    { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' },
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  ],
])('who offers %s alone gets what is approved, or nothing', async (_, offer, expected) => {
  expect(await settled(offer)).toBe(expected)
})
