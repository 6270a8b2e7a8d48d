// How gateways of Istio's API take TLS: versions, ciphers, certificates of clients, and where their own come from.
import { execFile } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import process from 'node:process'
import { type ConnectionOptions, connect } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { envoyTypes } from '../../src/translate/envoy-filter/envoy-types.ts'
import { type SelfSigned, selfSigned } from '../../src/translate/gateway/self-signed.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from '../translate/gateway-pod.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { pythonPackages } from './python-packages.ts'
import { revocationList } from './revocation-list.ts'

const HOST = 'shop.example.com'

let mesh: MeshOfEnvoys
let address: string
let bound: string
let server: SelfSigned
let friend: SelfSigned
let stranger: SelfSigned
let rootsFile: string

beforeAll(async () => {
  // Of which it takes seconds to have all, in which nothing is answered.
  envoyTypes()
  mesh = await MeshOfEnvoys.start()
  address = await freeLoopback()
  bound = await freeLoopback()
  server = await selfSigned(HOST)
  friend = await selfSigned('friend.example.org')
  stranger = await selfSigned('stranger.example.org')
  const file = (name: string, text: string) => {
    writeFileSync(join(mesh.folder, name), text)
    return join(mesh.folder, name)
  }
  rootsFile = file('server.crt', server.certificate)
  const files = `serverCertificate: ${file('tls.crt', server.certificate)}, privateKey: ${file('tls.key', server.key)}`
  const roots = file('roots.crt', `${friend.certificate}\n${stranger.certificate}`)
  const lists = [await revocationList(friend, false), await revocationList(stranger, true)]
  const revoked = file('revoked.crl', lists.join('\n'))
  const der = new X509Certificate(friend.certificate)
  const hash = createHash('sha256').update(der.raw).digest('hex')
  const spki = createHash('sha256')
    .update(der.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64')
  const servers: Record<number, string> = {
    8441: 'tls: { mode: SIMPLE, credentialName: shop, minProtocolVersion: TLSV1_3 }',
    8442: 'tls: { mode: SIMPLE, credentialName: shop, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384] }',
    8443: `bind: ${bound}, tls: { mode: SIMPLE, ${files} }`,
    8444: `tls: { mode: MUTUAL, ${files}, caCertificates: ${roots}, subjectAltNames: [friend.example.org] }`,
    8445: `tls: { mode: MUTUAL, ${files}, caCertificates: ${roots}, verifyCertificateHash: ["${hash}"] }`,
    8446: `tls: { mode: MUTUAL, ${files}, caCertificates: ${roots}, verifyCertificateSpki: ["${spki}"] }`,
    8447: 'tls: { mode: MUTUAL, credentialName: shop, caCertCredentialName: friends }',
    8448: 'tls: { mode: OPTIONAL_MUTUAL, credentialName: shop, caCertCredentialName: friends }',
    8449: 'tls: { mode: SIMPLE, credentialNames: [shop] }',
    8450: `tls: { mode: MUTUAL, tlsCertificates: [{ ${files}, caCertificates: ${rootsFile} }], insecureSkipVerify: true }`,
    8451: `tls: { mode: MUTUAL, ${files}, caCertificates: ${roots}, caCrl: ${revoked} }`,
  }
  const written = Object.entries(servers).map(
    ([port, rest]) =>
      `  - { name: server-${port}, port: { number: ${port}, name: https-${port}, protocol: HTTPS }, hosts: [${HOST}], ${rest} }`,
  )
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const secret = (name: string, data: Record<string, string>) =>
    JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, data })
  mesh.apply(
    `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers:
${written.join('\n')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec: { hosts: [${HOST}], gateways: [public], http: [{ directResponse: { status: 299, body: { string: over } }, headers: { response: { add: { via-protocol: '%PROTOCOL%' } } } }] }
---
apiVersion: v1
kind: Service
metadata: { name: ingress }
spec:
  selector: { istio: ingressgateway }
  ports:
  - { name: https, port: 8441 }
  - { name: http3, port: 8441, protocol: UDP }
  - { name: http3-old, port: 8442, protocol: UDP }
  - { name: http3-mutual, port: 8448, protocol: UDP }`,
    secret('shop', { 'tls.crt': base64(server.certificate), 'tls.key': base64(server.key) }),
    secret('friends', { 'ca.crt': base64(friend.certificate) }),
    gatewayPod({ name: 'ingress', address, labels: { istio: 'ingressgateway' } }),
  )
  await mesh.startProxies()
})

afterAll(async () => {
  await mesh?.stop()
  expect(mesh.nacks.map(({ resource, error }) => `${resource.name}: ${error}`)).toEqual([])
})

/** The status of a request, or `refused`: with TLS 1.3 a client hears of that only when it reads. */
function request(port: number, options: ConnectionOptions = {}, host = address): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, servername: HOST, ca: server.certificate, ...options })
    let heard = ''
    socket.on('secureConnect', () => socket.write(`GET / HTTP/1.1\r\nhost: ${HOST}\r\nconnection: close\r\n\r\n`))
    socket.on('data', (data) => {
      heard += data
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(/^HTTP\/1.1 (\d+)/.exec(heard)?.[1] ?? 'refused'))
  })
}

function fetchOverTls(port: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { host: address, port, servername: HOST, ca: server.certificate, headers: { host: HOST } }
    get({ ...options, agent: false }, (answer) => resolve(answer.resume())).on('error', reject)
  })
}

/** The same over HTTP/3. @throws Error where there is nobody, or none whose certificate is believed */
async function requestHttp3(port: number, packages: string) {
  const args = [join(import.meta.dirname, 'http3-client.py'), address, String(port), HOST, '/', rootsFile]
  const { stdout } = await promisify(execFile)('python3', args, { env: { ...process.env, PYTHONPATH: packages } })
  return JSON.parse(stdout) as { status: number; headers: Record<string, string>; body: string }
}

const as = ({ certificate, key }: SelfSigned): ConnectionOptions => ({ cert: certificate, key })
const listening = (port: number, options?: ConnectionOptions, host?: string) =>
  eventually(`port ${port}`, async () => (await request(port, options, host)) === '299')

test('of TLS, a server takes the versions and ciphers that it names', async () => {
  mesh.shows('Gateway', 'servers.tls.minProtocolVersion', 'servers.tls.maxProtocolVersion', 'servers.tls.cipherSuites')
  mesh.shows('Gateway', 'servers.tls.credentialNames')
  await listening(8441)
  expect(await request(8441, { maxVersion: 'TLSv1.2' })).toBe('refused')
  await listening(8442)
  expect(await request(8442, { minVersion: 'TLSv1.3' })).toBe('refused')
  expect(await request(8442, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' })).toBe('refused')
  await listening(8449)
})

test('its certificate may be a file, and it listens where it says', async () => {
  mesh.shows('Gateway', 'servers.bind', 'servers.tls.serverCertificate', 'servers.tls.privateKey')
  await listening(8443, {}, bound)
  expect(await request(8443)).toBe('refused')
})

test.each([
  [8444, 'by a name in it'],
  [8445, 'by its hash'],
  [8446, 'by its key'],
  [8447, 'by roots in a Secret of their own'],
  [8451, 'by its not being revoked'],
])('at %i clients are let in by their certificate, %s', async (port) => {
  mesh.shows(
    'Gateway',
    'servers.tls.subjectAltNames',
    'servers.tls.verifyCertificateHash',
    'servers.tls.caCertificates',
  )
  mesh.shows('Gateway', 'servers.tls.verifyCertificateSpki', 'servers.tls.caCertCredentialName', 'servers.tls.caCrl')
  await listening(port, as(friend))
  expect([await request(port, as(stranger)), await request(port)]).toEqual(['refused', 'refused'])
})

test('in mode OPTIONAL_MUTUAL clients may come without a certificate, but not with a wrong one', async () => {
  await listening(8448)
  expect([await request(8448, as(friend)), await request(8448, as(stranger))]).toEqual(['299', 'refused'])
})

test('clients may have to show a certificate that only whoever is behind the gateway judges', async () => {
  mesh.shows('Gateway', 'servers.tls.insecureSkipVerify', 'servers.tls.tlsCertificates.serverCertificate')
  mesh.shows('Gateway', 'servers.tls.tlsCertificates.privateKey', 'servers.tls.tlsCertificates.caCertificates')
  await listening(8450, as(stranger))
  expect([await request(8450, as(friend)), await request(8450)]).toEqual(['299', 'refused'])
})

test('where its Service takes datagrams, browsers are told of HTTP/3, and have the same by it', async (context) => {
  await listening(8441)
  const told = async (port: number) => {
    const answer = await fetchOverTls(port)
    return answer.headers['alt-svc']
  }
  expect(await told(8441)).toBe('h3=":8441"; ma=86400')
  // Without TLS 1.3, with certificates of clients, and without a port for datagrams there is none.
  expect([await told(8442), await told(8448), await told(8449)]).toEqual([undefined, undefined, undefined])
  const packages = await pythonPackages('aioquic', '1.7.2')
  if (!packages) return context.skip('there is no client')
  const answer = await requestHttp3(8441, packages)
  expect(answer).toMatchObject({ status: 299, body: 'over' })
  expect(answer.headers['via-protocol']).toBe('HTTP/3')
})

test('an EnvoyFilter tells servers by the host that clients ask TLS for', async () => {
  mesh.shows('EnvoyFilter', 'configPatches.match.listener.filterChain.sni')
  const marked = (sni: string, name: string) => `
    - applyTo: HTTP_FILTER
      match:
        context: GATEWAY
        listener: { portNumber: 8449, filterChain: { sni: ${sni}, filter: { name: envoy.filters.network.http_connection_manager, subFilter: { name: envoy.filters.http.router } } } }
      patch:
        operation: INSERT_BEFORE
        value:
          name: ${name}
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
            default_source_code: { inline_string: "function envoy_on_response(handle) handle:headers():add('${name}', 'yes') end" }`
  const filter = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: by-sni }
spec:
  workloadSelector: { labels: { istio: ingressgateway } }
  configPatches:${marked('other.example.com', 'x-other')}${marked(HOST, 'x-shop')}`
  mesh.apply(filter)
  await eventually('the header', async () => (await fetchOverTls(8449)).headers['x-shop'] === 'yes')
  expect((await fetchOverTls(8449)).headers['x-other']).toBeUndefined()
  mesh.remove(filter)
  await eventually('no header', async () => (await fetchOverTls(8449)).headers['x-shop'] === undefined)
})
