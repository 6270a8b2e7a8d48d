// Commands that need only files, run as the real program.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { checkout, weft, weftWith } from './weft.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-cli-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const bookinfo = 'samples/bookinfo'
const misrouted = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route:
        - destination: { host: reviews, subset: v33 }
          weight: 90
        - destination: { host: reviews, subset: v1 }
          weight: 20
`

describe('weft analyze -f', () => {
  test('has nothing to say about the sample', async () => {
    const { code, stdout, stderr } = await weft('analyze', '-f', bookinfo)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^no problems found in \d+ objects of \d+ files\n$/)
  })

  test('tells object, field, place, problem and remedy, and exits with 1', async () => {
    const path = file('misrouted.yaml', misrouted)
    const { code, stdout } = await weft('analyze', '-f', bookinfo, path)
    expect(code).toBe(1)
    expect(stdout).toContain(
      [
        `${path}:8:49: error: VirtualService default/reviews spec.http[0].route[0].destination.subset`,
        '    no DestinationRule defines subset "v33" of "reviews": there are v1, v2, v3 [route-to-missing-subset]',
        '    fix: write "v3" if that was meant',
      ].join('\n'),
    )
    expect(stdout).toContain('the weights add up to 110, not 100; requests are shared out as 81.8 %, 18.2 %')
    expect(stdout).toMatch(/\n1 error, 1 warning in \d+ objects of 4 files\n$/)
  })

  test('-o json and -o yaml give the messages as data', async () => {
    const path = file('misrouted.yaml', misrouted)
    const json = JSON.parse((await weft('analyze', '-f', bookinfo, path, '-o', 'json')).stdout)
    expect(json).toMatchObject([
      { rule: 'weights-not-100' },
      { rule: 'route-to-missing-subset', position: { line: 8 } },
    ])
    expect(parse((await weft('analyze', '-f', bookinfo, path, '-o', 'yaml')).stdout)).toEqual(json)
  })

  test('--failure-threshold decides what fails', async () => {
    const path = file('weights.yaml', misrouted.replace('v33', 'v3'))
    const args = ['analyze', '-f', bookinfo, path, '--failure-threshold']
    expect((await weft(...args, 'error')).code).toBe(0)
    expect((await weft(...args, 'warning')).code).toBe(1)
  })

  test('-n gives objects without a namespace another one', async () => {
    const path = file('misrouted.yaml', misrouted)
    const { stdout } = await weft('analyze', path, '-n', 'shop')
    expect(stdout).toContain('VirtualService shop/reviews')
    expect(stdout).toContain('reviews.shop.svc.cluster.local')
  })

  test.each([
    [
      'broken YAML',
      'a: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n',
      /:2:1: error\n {4}.*\[broken-yaml\]/,
    ],
    [
      'an unknown kind',
      'apiVersion: v1\nkind: Srevice\nmetadata: {name: a}\n',
      /:2:7: error: .*\n.*\[unknown-kind\]\n.*Service/,
    ],
    [
      'a mistyped field',
      misrouted.replace('hosts:', 'host:'),
      /:5:3: error: VirtualService default\/reviews spec.host\n.*\[unknown-field\]\n.*hosts/,
    ],
    [
      'a duplicate object',
      `${misrouted}---\n${misrouted}`,
      /:13:1: error: VirtualService default\/reviews\n.*misrouted\.yaml:1.*\[duplicate-object\]/,
    ],
    [
      'two objects that claim one host',
      `${misrouted}---\n${misrouted.replace('name: reviews', 'name: z')}`,
      /:17:11: error: VirtualService default\/z spec.hosts\[0\]\n.*VirtualService default\/reviews.*\[host-claimed-twice\]/,
    ],
  ])('%s', async (_, text, said) => {
    const { code, stdout } = await weft('analyze', '-f', file('misrouted.yaml', text))
    expect(stdout).toMatch(said)
    expect(code).toBe(1)
  })

  test('an empty folder, a missing file and a huge one', async () => {
    mkdirSync(join(folder, 'empty'), { recursive: true })
    const huge = file('huge.yaml', '#'.repeat(50 * 1024 * 1024))
    const { code, stdout } = await weft('analyze', '-f', join(folder, 'empty'), join(folder, 'missing.yaml'), huge)
    for (const rule of ['empty-folder', 'file-not-found', 'file-too-large']) expect(stdout).toContain(`[${rule}]`)
    expect(code).toBe(1)
  })

  test('colours stand only where they are wanted', async () => {
    const path = file('misrouted.yaml', misrouted)
    const plain = (await weftWith({ NO_COLOR: '' }, 'analyze', path)).stdout
    expect(plain).not.toContain('\u001b')
  })
})

describe('weft translate', () => {
  const translate = (...args: readonly string[]) => weft('translate', '-f', bookinfo, '--proxy', ...args)

  test('prints each resource as YAML below what it was made from', async () => {
    const { code, stdout, stderr } = await translate('productpage-v1')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(
      '# cluster outbound|9080|v1|reviews.default.svc.cluster.local\n# from DestinationRule default/reviews (samples/bookinfo/destination-rules.yaml:',
    )
    const documents = parseAllDocuments(stdout).map((document) => document.toJS())
    expect(documents.length).toBeGreaterThan(20)
    for (const document of documents) expect(Object.keys(document)[0]).toBe('@type')
  })

  test('-o json gives type, name, version, sources and the resource', async () => {
    const { stdout } = await translate('productpage-v1-0.default', '-o', 'json', '--type', 'endpoints')
    const resources = JSON.parse(stdout)
    expect(resources.map(({ type }: { type: string }) => type)).toEqual(resources.map(() => 'endpoints'))
    expect(resources).toContainEqual(
      expect.objectContaining({
        name: 'outbound|9080||details.default.svc.cluster.local',
        version: expect.stringMatching(/^\S{16}$/),
        sources: [expect.objectContaining({ object: 'Service default/details', file: `${bookinfo}/bookinfo.yaml` })],
        resource: expect.objectContaining({
          '@type': 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
        }),
      }),
    )
  })

  test('gives the same bytes each time', async () => {
    const [first, second] = await Promise.all([translate('reviews-v2'), translate('reviews-v2')])
    expect(first?.stdout).toBe(second?.stdout)
  })

  test('an unknown pod: what there is, and what was meant', async () => {
    const { code, stdout, stderr } = await translate('productpag')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      /^weft: there is no proxy "productpag": there are default\/details-v1-0, .*; write "productpage" if that was meant\n$/,
    )
  })

  test('a bad object is told, and the good ones are translated', async () => {
    const path = file('misrouted.yaml', misrouted.replace('hosts:', 'host:'))
    const { code, stdout, stderr } = await weft('translate', '-f', bookinfo, path, '--proxy', 'reviews-v1')
    expect(code).toBe(1)
    expect(stderr).toContain('[unknown-field]')
    expect(stdout).toContain('# cluster outbound|9080||details.default.svc.cluster.local')
  })
})

describe('weft authz check -f', () => {
  const policies = () =>
    file(
      'policies.yaml',
      `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: reviews }
spec:
  selector: { matchLabels: { app: reviews } }
  rules: [{ from: [{ source: { serviceAccounts: [bookinfo-productpage] } }], to: [{ operation: { methods: [GET] } }] }]
`,
    )
  const check = (...args: string[]) =>
    weft('authz', 'check', '-f', bookinfo, policies(), '--to', 'reviews-v1', '--path', '/reviews/1', ...args)

  test('says who is allowed, and by what', async () => {
    const { code, stdout } = await check('--from', 'productpage-v1')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /✓ ALLOW AuthorizationPolicy default\/reviews rule 0 \(\S+policies\.yaml:1\): allows it\n\nAllowed\.\n$/,
    )
  })

  test('says why somebody is not, and exits with 1', async () => {
    const { code, stdout } = await check('--from', 'productpage-v1', '-X', 'POST')
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /✗ ALLOW .*: does not allow it: to: methods "GET", and it has "POST"\n\nRefused: answered 403\.\n$/,
    )
    expect((await check('--plaintext')).stdout).toContain('serviceAccounts "bookinfo-productpage", and it has none')
  })

  test('wants to know who calls', async () => {
    expect((await check()).stderr).toBe('weft: either --from or --plaintext is needed; say who calls\n')
  })
})

describe('where no mesh is running', () => {
  test.each([[['get', 'pods']], [['proxy-status']], [['proxy-config', 'reviews-v1', 'routes']], [['analyze']]])(
    'weft %s says so',
    async (args) => {
      const { code, stdout, stderr } = await weft(...args)
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: '',
        stderr:
          'weft: no mesh is running, and there is no kubeconfig; start one with: weft up -f FILE, or name a cluster with --kubeconfig\n',
      })
    },
  )

  test('weft version tells of itself', async () => {
    const { code, stdout } = await weft('version')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^client +\d+\.\d+\.\d+ \(Node 24\.\S+\)\nserver +none is running\n$/)
    expect(Object.keys(JSON.parse((await weft('version', '-o', 'json')).stdout))).toEqual(['client', 'node'])
  })
})

describe('help and mistakes in arguments', () => {
  test.each(['analyze', 'translate', 'get', 'proxy-status', 'proxy-config', 'version', 'up'])(
    'weft %s --help has examples',
    async (command) => {
      const { code, stdout } = await weft(command, '--help')
      expect(code).toBe(0)
      expect(stdout).toMatch(new RegExp(`\\nExamples:\\n(.*\\n)*  weft ${command}`))
    },
  )

  test.each([
    [['analize'], /Did you mean analyze\?/],
    [['analyze', '-o', 'xml'], /Allowed choices are json, yaml/],
    [['get'], /missing required argument 'kind'\n\(weft get --help tells more\)/],
    [['get', 'podz'], /^weft: there is no kind "podz"; write "pods?" if that was meant\n$/],
    [['translate', '--proxy', 'a'], /required option '-f, --filename/],
  ])('weft %s', async (args, said) => {
    const { code, stdout, stderr } = await weft(...args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(said)
    expect(stderr).not.toContain('    at ')
  })

  test('WEFT_DEBUG shows where an error came from', async () => {
    expect((await weftWith({ WEFT_DEBUG: '1' }, 'get', 'podz')).stderr).toContain('\n    at ')
  })
})

test('reading only the beginning of the output is no error', async () => {
  const { exec } = await import('node:child_process')
  const command = `"${process.execPath}" bin/weft.js translate -f ${bookinfo} --proxy reviews-v1 | head -1`
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    exec(command, { cwd: checkout }, (_, stdout, stderr) => resolve({ stdout, stderr }))
  })
  expect(stdout).toMatch(/^# cluster/)
  expect(stderr).toBe('')
})

describe('weft workload entry', () => {
  const group = `apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: vm, namespace: shop }
spec:
  metadata: { labels: { app: vm }, annotations: { note: kept } }
  template: { labels: { version: v1 }, ports: { http: 8080 }, serviceAccount: vm, locality: east/east-1, weight: 3 }
  probe: { httpGet: { path: /healthz, port: 8080 } }
`

  test('is what the group says, at the address of a host', async () => {
    const path = file('group.yaml', group)
    const { code, stdout } = await weft('workload', 'entry', 'vm', '-n', 'shop', '--address', '10.0.0.7', '-f', path)
    expect(code).toBe(0)
    expect(parse(stdout)).toEqual({
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: {
        name: 'vm-10-0-0-7',
        namespace: 'shop',
        labels: { app: 'vm' },
        annotations: {
          note: 'kept',
          'istio.io/autoRegistrationGroup': 'vm',
          'proxy.istio.io/health-checks-enabled': 'true',
        },
      },
      spec: {
        address: '10.0.0.7',
        labels: { version: 'v1' },
        ports: { http: 8080 },
        serviceAccount: 'vm',
        locality: 'east/east-1',
        weight: 3,
      },
    })
  })

  test('of a group that is not in the files', async () => {
    const path = file('other.yaml', group)
    const { code, stderr } = await weft('workload', 'entry', 'wm', '-n', 'shop', '--address', '10.0.0.7', '-f', path)
    expect(code).toBe(1)
    expect(stderr).toMatch(/there is no WorkloadGroup shop\/wm in the files.*name one of shop\/vm/s)
  })
})
