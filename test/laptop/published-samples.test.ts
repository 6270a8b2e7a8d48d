// Istio's published helloworld and tcp-echo, applied unchanged: each does what its README says.
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkout, get, startMesh, type TestMesh, until } from './mesh.ts'

const SAMPLES = join(checkout, '../shared/corpus/istio-samples')
const PRESENT = existsSync(SAMPLES)
if (!PRESENT) console.warn(`skipped, as Istio's samples are not at ${SAMPLES}`)

const TCP_PORT = 31400

describe.skipIf(!PRESENT)("Istio's published samples", () => {
  let mesh: TestMesh
  let address: string
  let httpPort: number

  beforeAll(async () => {
    const files = [
      'helloworld/helloworld.yaml',
      'helloworld/helloworld-gateway.yaml',
      'tcp-echo/tcp-echo-services.yaml',
    ]
    mesh = await startMesh({
      files: files.map((file) => join(SAMPLES, file)),
      texts: Object.fromEntries(documents('tcp-echo/tcp-echo-all-v1.yaml')),
    })
    const { plan } = await mesh.pod('istio-ingressgateway-0')
    address = plan.address
    httpPort = plan.listens.find((port) => port !== TCP_PORT) ?? 0
  })
  afterAll(() => mesh?.dispose())

  /** Each object of a file by the name of a file of its own, as kubectl would replace one with another of its kind. */
  const documents = (file: string) =>
    readFileSync(join(SAMPLES, file), 'utf8')
      .split(/^---$/m)
      .flatMap((text): (readonly [string, string])[] => {
        const kind = /^kind: (\w+)$/m.exec(text)?.[1]
        return kind ? [[`tcp-echo-${kind.toLowerCase()}.yaml`, text]] : []
      })

  /** What the TCP echo answers to a line. */
  const say = (line: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(TCP_PORT, address, () => socket.write(`${line}\n`))
      socket.setTimeout(30_000, () => socket.destroy(new Error('no answer within 30 s')))
      socket.on('error', reject)
      socket.once('data', (data) => {
        resolve(data.toString().trim())
        socket.destroy()
      })
    })

  test('helloworld answers with both of its versions, and nothing but /hello', async () => {
    const versions = new Set<string | undefined>()
    await until(30_000, async () => {
      const { status, body } = await get(`http://${address}:${httpPort}/hello`)
      if (status === 200) versions.add(/^Hello version: (v\d), instance: helloworld-v\d/.exec(body)?.[1])
      return versions.size === 2
    })
    expect(versions).toEqual(new Set(['v1', 'v2']))
    expect((await get(`http://${address}:${httpPort}/`)).status).toBe(404)
  })

  test('tcp-echo goes to version 1, and then one connection in five to version 2', async () => {
    const prefixes = async (count: number) => {
      const answers: string[] = []
      for (let i = 0; i < count; i++) answers.push(await say(`hello ${i}`))
      return answers.map((answer) => answer.split(' ')[0])
    }
    expect(new Set(await prefixes(20))).toEqual(new Set(['one']))
    for (const [name, text] of documents('tcp-echo/tcp-echo-20-v2.yaml')) await mesh.write(name, text)
    const shared = await prefixes(200)
    const second = shared.filter((prefix) => prefix === 'two').length
    // 40 are expected; outside of 12..75 is less likely than one in a million.
    expect(second).toBeGreaterThan(12)
    expect(second).toBeLessThan(75)
    expect(shared.filter((prefix) => prefix === 'one').length).toBe(200 - second)
  })
})
