import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canRedirect, RedirectedPods } from './redirected-pods.ts'

const isPossible = canRedirect()
if (!isPossible) console.warn('skipped: network namespaces need root on Linux, and ip, nsenter, setpriv and iptables')

const POD = (name: string, address: string, annotations = '{}') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name}, security.istio.io/tlsMode: istio }, annotations: ${annotations} }
spec: { serviceAccountName: ${name}, containers: [{ name: app }] }
status: { podIP: ${address}, phase: Running }
---`

const entry = (host: string, rest: string) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${host.replace('*.', 'any.')}, namespace: shop }
spec: { hosts: ["${host}"], ${rest} }
---`

const PORTS = 'ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]'
const MESH = [
  POD('client', '10.77.0.1', '{ weft.dev/dns-capture: "true" }'),
  POD('plain', '10.77.0.2'),
  entry('api.example.com', `resolution: STATIC, endpoints: [{ address: 10.77.0.3 }], ${PORTS}`),
  entry(
    'fixed.example.com',
    `addresses: [240.1.2.3], resolution: STATIC, endpoints: [{ address: 10.77.0.3 }], ${PORTS}`,
  ),
  entry('hidden.example.com', `exportTo: ["~"], resolution: STATIC, endpoints: [{ address: 10.77.0.3 }], ${PORTS}`),
].join('')

/** A name server that knows one name, and an application that answers with the host it was asked for. */
const OUTSIDER = `
const socket = require('dgram').createSocket('udp4')
socket.on('message', (question, { port, address }) => {
  let end = 12
  while (question[end]) end += question[end] + 1
  const [known, type] = [question.subarray(12, end).includes('known'), question.readUInt16BE(end + 1)]
  const head = Buffer.from([question[0], question[1], 0x81, known ? 0x80 : 0x83, 0, 1, 0, known && type !== 28 ? 1 : 0, 0, 0, 0, 0])
  const data = type === 1 ? [10, 77, 0, 3] : [4, ...Buffer.from('text')]
  const answer = known && type !== 28 ? [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 9, 0, data.length, ...data] : []
  socket.send(Buffer.concat([head, question.subarray(12, end + 5), Buffer.from(answer)]), port, address)
}).bind(53, '10.77.0.3', () => require('http').createServer((q, a) => a.end(q.headers.host)).listen(8080, '10.77.0.3', () => console.log('ready')))`

/** Asks the name server, and prints what it answers, or the error. Each kind of question from a port of its own. */
const resolve = (...questions: readonly (readonly [method: string, name: string])[]) => `
const { Resolver } = require('dns').promises
const ask = async ([method, name]) => {
  const resolver = new Resolver({ timeout: 15_000, tries: 1 })
  resolver.setServers(['10.77.0.3'])
  return resolver[method](name).then(String, e => e.code)
}
Promise.all(${JSON.stringify(questions)}.map(ask)).then(answers => console.log(answers.join(' ')))`

describe.skipIf(!isPossible)('names that only the mesh knows', () => {
  const pods = new RedirectedPods()
  const run = async (pod: string, script: string) =>
    (await text(pods.application(pod, script).stdout as NodeJS.ReadableStream)).trim()

  beforeAll(async () => {
    pods.network({ client: '10.77.0.1', plain: '10.77.0.2', outsider: '10.77.0.3' })
    pods.apply(MESH)
    await once(pods.application('outsider', OUTSIDER).stdout as NodeJS.ReadableStream, 'data')
    await pods.startProxies()
  })
  afterAll(() => pods.stop())

  test('hosts of ServiceEntries resolve, to their addresses or to one made up', async () => {
    pods.shows('ServiceEntry', 'addresses')
    const answers = await run(
      'client',
      resolve(['resolve4', 'api.example.com'], ['resolve4', 'FIXED.example.com'], ['resolve4', 'hidden.example.com']),
    )
    expect(answers).toMatch(/^240\.240\.\d+\.\d+ 240\.1\.2\.3 ENOTFOUND$/)
  })

  test('what is sent to a made-up address arrives', async () => {
    const [address] = (await run('client', resolve(['resolve4', 'api.example.com']))).split(' ')
    const get = `require('http').get({ host: '${address}', headers: { host: 'api.example.com' } }, a => a.on('data', d => console.log(a.statusCode, String(d)))).on('error', e => console.log(e.code))`
    expect(await run('client', get)).toBe('200 api.example.com')
  })

  test('other names and other kinds of questions are answered by the name server', async () => {
    const questions = [
      ['resolve4', 'known.example.org'],
      ['resolve4', 'nowhere.example.org'],
      ['resolveTxt', 'known.example.org'],
      ['resolve6', 'api.example.com'],
    ] as const
    expect(await run('client', resolve(...questions))).toBe('10.77.0.3 ENOTFOUND text ENOTFOUND')
  })

  test('pods that did not ask for it ask the name server', async () => {
    const questions = [
      ['resolve4', 'api.example.com'],
      ['resolve4', 'known.example.org'],
    ] as const
    expect(await run('plain', resolve(...questions))).toBe('ENOTFOUND 10.77.0.3')
  })

  test('names come and go while pods run', async () => {
    pods.apply(entry('new.example.com', `resolution: STATIC, endpoints: [{ address: 10.77.0.3 }], ${PORTS}`))
    await expect
      .poll(() => run('client', resolve(['resolve4', 'new.example.com'])), { timeout: 30_000 })
      .toMatch(/^240\.240\./)
    expect(pods.nacks).toEqual([])
  })

  test('without the rules nothing is redirected any more', async () => {
    await pods.release('client')
    expect(await run('client', resolve(['resolve4', 'api.example.com']))).toBe('ENOTFOUND')
  })
})
