// What passes every check of ours, and Envoy refuses: a finding about an object, while everything else goes on.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerers, checkCalls, echoMesh, rules, subsets, TO_BACK, to } from './echo-mesh.ts'
import { startMesh, type TestMesh } from './mesh.ts'
import { underLoad } from './under-load.ts'

let mesh: TestMesh
beforeAll(async () => {
  mesh = await startMesh({ texts: { ...echoMesh(), 'rules.yaml': rules(`[{ route: [${to('v1')}] }]`) } })
})
afterAll(() => mesh?.dispose())

/** Rules for calls to front inside the mesh: an answer of the proxy's own, which shows that they are in force. */
function hello(text: string): string {
  const http = `[{ match: [{ uri: { prefix: /hello } }], directResponse: { status: 200, body: { string: ${text} } } }, { route: [{ destination: { host: front } }] }]`
  return rules(http).replace('name: back', 'name: front').replace('hosts: [back]', 'hosts: [front]')
}

/** What front gets when it says hello to itself. */
async function greeting(): Promise<unknown> {
  const { body } = await mesh.get('/call?url=http://front:8080/hello')
  return (JSON.parse(body) as { answers: { body: string }[] }).answers[0]?.body
}

const versions = async () => answerers((await mesh.get(TO_BACK)).body).map(({ version }) => version)

test('a route that proxies refuse: the last good one stays, others of the push arrive, and it is told everywhere', async () => {
  // A host with a line break in it: the published schema lets it pass, and so do our checks.
  const refused = rules(`[{ rewrite: { authority: "no\\nhost" }, route: [${to('v2')}] }]`)
  const counts: Record<string, number> = {}
  await underLoad(mesh, TO_BACK, checkCalls(counts), async (load) => {
    const from = mesh.output.length
    await mesh.write('rules.yaml', `${hello('one')}---${refused}`)
    const said = await mesh.line(/\[rejected-by-proxy\]$/, 30_000, from)
    expect(said).toMatch(
      /rules\.yaml:9:1: error: VirtualService default\/back: proxy default\/\S+ refused the route configuration "back\.default\.svc\.cluster\.local" made from it and .* keeps the last good one: RouteConfiguration\.VirtualHosts\[0\]\.Routes\[0\]\.Route\.HostRewriteLiteral: value does not match regex pattern.*; change what the error names, or undo the last change of these objects \[rejected-by-proxy\]$/,
    )
    expect(await greeting()).toBe('one')
    expect(await versions()).toEqual(['v1'])

    const status = await mesh.weft('proxy-status')
    expect(status.stdout).toMatch(/^default\/front-v1-0 +synced +synced +synced +rejected \(1\) /m)
    expect(status.stdout).toMatch(
      /rules\.yaml:9:1: error: VirtualService default\/back\n[^\n]*\[rejected-by-proxy\]\n {4}fix: change /,
    )
    const analyzed = await mesh.weft('analyze', '-o', 'json')
    expect(analyzed.code).toBe(1)
    expect(JSON.parse(analyzed.stdout)).toMatchObject([
      { rule: 'rejected-by-proxy', object: 'VirtualService default/back', position: { line: 9, column: 1 } },
    ])

    // Once is enough: what was refused is not sent again and again, and further changes still arrive.
    await mesh.write('rules.yaml', `${hello('two')}---${refused}`)
    expect(await greeting()).toBe('two')
    await load.more(20)
    expect(Object.keys(counts)).not.toContain('v2')
    expect(mesh.output.slice(from).filter((line) => line.endsWith('[rejected-by-proxy]'))).toEqual([said])

    const mended = mesh.output.length
    await mesh.write('rules.yaml', `${hello('two')}---${refused.replace('no\\nhost', 'a.host')}`)
    await mesh.line(/no longer: .*\[rejected-by-proxy\]$/, 30_000, mended)
    expect(await versions()).toEqual(['v2'])
    expect((await mesh.weft('proxy-status')).stdout).not.toContain('rejected')
  })
})

test('a cluster that proxies refuse: the same', async () => {
  const ring = '{ loadBalancer: { consistentHash: { httpHeaderName: x, ringHash: { minimumRingSize: 99999999 } } } }'
  const refused = subsets('v1', 'v2').replace('  host: back', `  host: back\n  trafficPolicy: ${ring}`)
  await underLoad(mesh, TO_BACK, checkCalls(), async (load) => {
    const from = mesh.output.length
    await mesh.write('subsets.yaml', refused)
    const said = await mesh.line(/\[rejected-by-proxy\]$/, 30_000, from)
    expect(said).toMatch(
      /subsets\.yaml:1:1: error: DestinationRule default\/back: proxy \S+ refused the cluster "outbound\|\d+\|/,
    )
    await mesh.write('rules.yaml', `${hello('three')}---${rules(`[{ route: [${to('v1')}] }]`)}`)
    expect(await greeting()).toBe('three')
    expect(await versions()).toEqual(['v1'])
    await load.more(20)
    const mended = mesh.output.length
    await mesh.write('subsets.yaml', refused.replace('99999999', '1024'))
    await mesh.line(/no longer: .*\[rejected-by-proxy\]$/, 30_000, mended)
    expect(await mesh.api('messages')).toEqual([])
  })
})
