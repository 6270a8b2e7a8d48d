// What people write, and do to files, while the mesh runs: each mistake is told with its place, and harms nothing but itself.
import { mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerers, checkCalls, deployment, echoMesh, rules, TO_BACK, to } from './echo-mesh.ts'
import { startMesh, type TestMesh } from './mesh.ts'
import { underLoad } from './under-load.ts'

const GOOD = rules(`[{ route: [${to('v1')}] }]`)

let mesh: TestMesh
let empty: string
beforeAll(async () => {
  empty = mkdtempSync(join(tmpdir(), 'weft-empty-'))
  mesh = await startMesh({ texts: { ...echoMesh(), 'rules.yaml': GOOD }, args: ['-f', empty] })
})
afterAll(async () => {
  await mesh?.dispose()
  rmSync(empty, { recursive: true })
})

const path = (name: string) => join(mesh.folder, name)

/** All of back's answers come from v1: the last good rules are in force. */
const stillV1 = {
  check(body: string): string | undefined {
    const versions = answerers(body).map(({ version }) => version)
    return versions.every((version) => version === 'v1') ? undefined : `answered by ${versions}`
  },
}

/** Does something, waits until the mesh tells what it should, undoes it, and waits until that is told, too. */
async function told(said: RegExp, act: () => void, undo: () => void): Promise<void> {
  const from = mesh.output.length
  act()
  const line = await mesh.line(said, 30_000, from)
  expect(line).toMatch(/^\d\d:\d\d:\d\d /)
  const undone = mesh.output.length
  undo()
  const text = line.slice('00:00:00 '.length)
  await mesh.line(new RegExp(`no longer: ${text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`), 30_000, undone)
}

/** Rules for calls to front inside the mesh, of which the load makes none. */
const ofFront = (http: string) =>
  rules(http).replace('name: back', 'name: front').replace('hosts: [back]', 'hosts: [front]')

test('objects in force that become wrong stay as they were', async () => {
  const cases: readonly (readonly [wrong: string | Buffer, said: RegExp])[] = [
    [`${GOOD}\n  tls: [`, /rules\.yaml:\d+:\d+: error: VirtualService back: .*; .* \[broken-yaml\]$/],
    [
      GOOD.replace('  hosts', '\thosts'),
      /rules\.yaml:6:1: error: .*indented with a tab; indent with spaces \[broken-yaml\]$/,
    ],
    [
      GOOD.replace('[back]', '{{ .Values.host }}'),
      /rules\.yaml:6:10: error: .*; render it first.*\[template-not-rendered\]$/,
    ],
    [
      GOOD.replace('VirtualService', 'VirtualServise'),
      /rules\.yaml:3:7: error: VirtualServise back: kind: .*; did you mean "VirtualService"\? \[unknown-kind\]$/,
    ],
    [
      GOOD.replace('/v1', '/v9'),
      /rules\.yaml:2:13: error: VirtualService back: apiVersion: .*; write apiVersion: networking\.istio\.io\/v1 .*\[unsupported-version\]$/,
    ],
    [
      GOOD.replace('hosts:', 'hots:'),
      /rules\.yaml:6:3: error: VirtualService default\/back: spec\.hots: there is no such field; did you mean "hosts"\? \[unknown-field\]$/,
    ],
    [
      GOOD.replace('subset: v1', 'subset: 1'),
      /rules\.yaml:7:\d+: error: VirtualService default\/back: spec\.http\[0\]\.route\[0\]\.destination\.subset: is the number 1, must be a string; put it in quotes: "1" \[wrong-type\]$/,
    ],
    [Buffer.from([0xc3, 0x28, 0x00, 0xff]), /rules\.yaml:1:1: error: the file is not text in UTF-8; .*\[not-utf8\]$/],
  ]
  await underLoad(mesh, TO_BACK, stillV1, async (load) => {
    for (const [wrong, said] of cases) {
      await told(
        said,
        () => writeFileSync(path('rules.yaml'), wrong),
        () => writeFileSync(path('rules.yaml'), GOOD),
      )
      await load.more(5)
    }
  })
  expect(mesh.output.filter((line) => /VirtualService default\/back (removed|changed)/.test(line))).toEqual([])
})

test('objects that are wrong together with others are told, and the others are as they were', async () => {
  const another = GOOD.replaceAll('v1', 'v2').replace('io/v2', 'io/v1')
  const cases: readonly (readonly [text: string, said: RegExp])[] = [
    [
      another,
      /extra\.yaml:2:1: error: VirtualService default\/back: there is another .* at \S+rules\.yaml:2, and that one counts; remove one .*\[duplicate-object\]$/,
    ],
    [
      another.replace('name: back', 'name: a-back'),
      /extra\.yaml:6:11: error: VirtualService default\/a-back: spec\.hosts\[0\]: VirtualService default\/back .*wins as it is older; put the rules of both into one .*\[host-claimed-twice\]$/,
    ],
    [
      ofFront('[{ route: [{ destination: { host: bakc } }] }]'),
      /extra\.yaml:7:\d+: error: VirtualService default\/front: spec\.http\[0\]\.route\[0\]\.destination\.host: .*"bakc".*; write "back" if that was meant \[route-to-missing-host\]$/,
    ],
    [
      ofFront(`[{ route: [${to('v3')}] }]`),
      /extra\.yaml:7:\d+: error: VirtualService default\/front: spec\.http\[0\]\.route\[0\]\.destination\.subset: .*there are v1, v2; .*\[route-to-missing-subset\]$/,
    ],
    [
      ofFront(`[{ route: [${to('v1', 90)}, ${to('v2', 20)}] }]`),
      /extra\.yaml:7:\d+: warning: VirtualService default\/front: spec\.http\[0\]\.route: the weights add up to 110, .*; write weights that add up to 100, .*\[weights-not-100\]$/,
    ],
    [
      ofFront(`[{ fault: { delay: { exponentialDelay: 1s } }, route: [${to('v1')}] }]`),
      /extra\.yaml:7:\d+: warning: VirtualService default\/front: spec\.http\[0\]\.fault\.delay\.exponentialDelay: .*\[field-not-supported\]$/,
    ],
    [
      'apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: a }\nspec: { url: https://example.com/a.wasm }\n',
      /extra\.yaml:\d+:\d+: warning: WasmPlugin default\/a: .*\[field-not-supported\]$/,
    ],
    [
      'apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: a }\n',
      /extra\.yaml:2:7: warning: DaemonSet a: kind: .*; .*use a Deployment \[kind-not-used\]$/,
    ],
    [
      'just words\n',
      /extra\.yaml:1:1: error: this is a single value .*; write apiVersion, kind, metadata and spec \[not-an-object\]$/,
    ],
  ]
  await underLoad(mesh, TO_BACK, stillV1, async (load) => {
    for (const [text, said] of cases) {
      await told(
        said,
        () => writeFileSync(path('extra.yaml'), text),
        () => rmSync(path('extra.yaml')),
      )
      await load.more(5)
    }
  })
})

test('files and folders that are no more what they were', async () => {
  const elsewhere = `${mesh.folder}-elsewhere`
  const from = mesh.output.length
  await underLoad(mesh, TO_BACK, stillV1, async (load) => {
    const good = () => writeFileSync(path('rules.yaml'), GOOD)
    await told(
      /rules\.yaml:1:1: error: the file has 50 MiB, .*; split it into several files \[file-too-large\]$/,
      () => truncateSync(path('rules.yaml'), 50 * 1024 * 1024),
      good,
    )
    await told(
      /rules\.yaml:1:1: error: .*leads back to itself; remove it .*\[file-not-readable\]$/,
      () => {
        symlinkSync('rules.yaml', path('loop'))
        renameSync(path('loop'), path('rules.yaml'))
      },
      () => {
        rmSync(path('rules.yaml'))
        good()
      },
    )
    // As an editor does it, or worse: empty, not there, and there again, each for less time than it takes to let go.
    for (let n = 0; n < 20; n++) {
      writeFileSync(path('rules.yaml'), n % 2 === 0 ? '' : '# nothing yet\n')
      await load.more(1)
      rmSync(path('rules.yaml'))
      await load.more(1)
      good()
      await load.more(8)
    }
    await mesh.write('rules.yaml', GOOD)
    await told(
      /yaml:1:1: error: there is no such file or folder: what was read of it before stays in force; .*\[file-not-found\]$/,
      () => renameSync(mesh.folder, elsewhere),
      () => renameSync(elsewhere, mesh.folder),
    )
  })
  expect(mesh.output.slice(from).filter((line) => /default\/\S+ (removed|added|changed)/.test(line))).toEqual([])
})

test('an empty folder is told, until there is something in it', async () => {
  await mesh.line(
    new RegExp(`${empty}:1:1: warning: there is no .yaml.* in this folder; put one there.* \\[empty-folder\\]$`),
  )
  const from = mesh.output.length
  writeFileSync(join(empty, 'a.yaml'), 'apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: a }\n')
  await mesh.line(/no longer: .*\[empty-folder\]$/, 30_000, from)
})

test('a pod that does not get ready is told with the reason, and again nothing else notices', async () => {
  await underLoad(mesh, TO_BACK, stillV1, async () => {
    const from = mesh.output.length
    await mesh.write('deaf.yaml', deployment({ app: 'deaf' }).replace('containerPort: 8080', 'containerPort: 8089'))
    const said = await mesh.line(/default\/deaf-v1-0 is not ready yet/, 60_000, from)
    expect(said).toMatch(/: echo does not listen at 127\.\d+\.\d+\.\d+:8089$/)
    await mesh.remove('deaf.yaml')
  })
})

test('after all of that the mesh takes changes as ever, and nothing is left to tell', async () => {
  await underLoad(mesh, TO_BACK, checkCalls(), async () => {
    await mesh.write('rules.yaml', rules(`[{ route: [${to('v2')}] }]`))
    expect(answerers((await mesh.get(TO_BACK)).body).map(({ version }) => version)).toEqual(['v2'])
    await mesh.write('rules.yaml', GOOD)
  })
  expect(await mesh.api('messages')).toEqual([])
  expect(mesh.output.join('\n')).not.toMatch(/^\s+at /m)
  expect(mesh.logs()).not.toMatch(/^\s+at /m)
})

// Last, as its one failed request may be logged so late that another test would take it for its own.
test('a route that leads nowhere fails alone', async () => {
  const elsewhere = '{ match: [{ uri: { prefix: /nowhere } }], route: [{ destination: { host: nowhere } }] }'
  const load = await mesh.load(TO_BACK, stillV1)
  await load.more(10)
  await mesh.write('rules.yaml', rules(`[${elsewhere}, { route: [${to('v1')}] }]`))
  const { body } = await mesh.get('/call?url=http://back:8080/nowhere')
  expect(JSON.parse(body)).toMatchObject({ answers: [{ status: 503 }] })
  await load.more(10)
  await mesh.write('rules.yaml', GOOD)
  await load.more(10)
  expect((await load.stop()).failures).toEqual([])
})
