import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { checkout, type Ran, weft } from './weft.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-inject-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const web = `# Sells things.
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop } # the shop's own
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web # not the proxy
          image: 'example.com/web:1'
          args: ["yes", "0644", on]
`

describe('weft inject', () => {
  test('puts proxies into what makes pods, and leaves everything else as it was written', async () => {
    const service = 'apiVersion: v1\nkind: Service # of the shop\nmetadata: {name: web,   namespace: shop}\n'
    const { code, stdout, stderr } = await weft('inject', '-f', file('web.yaml', `${service}---\n${web}`))
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Deployment shop/web: got a proxy\n' })
    expect(stdout.startsWith(`${service}---\n# Sells things.\n`)).toBe(true)
    for (const comment of ["# the shop's own", '# not the proxy', "image: 'example.com/web:1'"])
      expect(stdout).toContain(comment)
    const [, deployment] = parseAllDocuments(stdout).map((document) => document.toJS())
    const { template, ...rest } = deployment.spec
    const written = parse(web)
    expect(rest).toEqual({ replicas: 2, selector: written.spec.selector })
    expect(template.spec.containers).toEqual(written.spec.template.spec.containers)
    expect(template.spec.initContainers).toMatchObject([
      { name: 'weft-proxy', image: 'docker.io/envoyproxy/envoy:v1.40.0', restartPolicy: 'Always' },
    ])
  })

  test('makes proxies as ProxyConfigs beside them say, wherever these stand', async () => {
    const config = (name: string, spec: string) =>
      `apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: { name: ${name}, namespace: shop }\nspec: ${spec}\n`
    const all = file('all.yaml', config('all', '{ concurrency: 3, environmentVariables: { ZONE: all } }'))
    const own = config('own', '{ selector: { matchLabels: { app: web } }, concurrency: 5 }')
    const { code, stdout } = await weft('inject', '-f', file('configured.yaml', `${web}---\n${own}`), all)
    expect(code).toBe(0)
    const [deployment] = parseAllDocuments(stdout).map((document) => document.toJS())
    const [proxy] = deployment.spec.template.spec.initContainers
    expect(proxy.args.join(' ')).toContain('--concurrency 5')
    expect(proxy.env).toContainEqual({ name: 'ZONE', value: 'all' })
  })

  test('what comes out goes in again and comes out the same', async () => {
    const { stdout: once } = await weft('inject', '-f', 'samples/bookinfo/bookinfo.yaml')
    const { stdout: twice } = await weft('inject', '-f', file('once.yaml', once))
    expect(twice).toBe(once)
  })

  test('takes Lists as JSON from standard input, as kubectl prints them', async () => {
    const list = { apiVersion: 'v1', kind: 'List', items: [{ kind: 'Service', apiVersion: 'v1' }, parse(web)] }
    const { code, stdout, stderr } = await piped(JSON.stringify(list), 'inject', '-f', '-')
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Deployment shop/web: got a proxy\n' })
    const { items } = JSON.parse(stdout)
    expect(items[0]).toEqual(list.items[0])
    expect(items[1].spec.template.spec.initContainers[0].name).toBe('weft-proxy')
  })

  test('changes one object only where two share what an alias stands for', async () => {
    const both = `apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: { name: a }
    spec: { template: { spec: &spec { containers: [{ name: c, image: i }] } } }
  - apiVersion: apps/v1
    kind: Deployment
    metadata: { name: b }
    spec: { template: { metadata: { labels: { sidecar.istio.io/inject: "false" } }, spec: *spec } }
`
    const { stdout, stderr } = await weft('inject', '-f', file('alias.yaml', both))
    expect(stderr).toBe(
      'Deployment default/a: got a proxy\nDeployment default/b: left alone, as its sidecar.istio.io/inject is false\n',
    )
    const { items } = parse(stdout)
    expect(items[0].spec.template.spec.initContainers).toHaveLength(1)
    expect(items[1].spec.template.spec).toEqual({ containers: [{ name: 'c', image: 'i' }] })
  })

  test('leaves alone what opts out, and namespaces in the files that do', async () => {
    const disabled =
      'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio-injection: disabled } }\n'
    const { code, stdout, stderr } = await weft('inject', '-f', file('ns.yaml', disabled), file('web.yaml', web))
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${disabled}---\n${web}` })
    expect(stderr).toBe('Deployment shop/web: left alone, as label istio-injection of namespace shop is disabled\n')
  })

  test('a namespace, an image, a revision and who captures can be said', async () => {
    const bare = web.replace(', namespace: shop', '')
    const own = ['--image', 'example.com/envoy:1', '--capture', 'init-container', '--revision', 'canary']
    const { stdout, stderr } = await weft('inject', '-f', file('bare.yaml', bare), '-n', 'store', ...own)
    expect(stderr).toBe('Deployment store/web: got a proxy\n')
    const { template } = parse(stdout).spec
    expect(template.spec.initContainers).toMatchObject([
      { name: 'weft-init', securityContext: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } } },
      { image: 'example.com/envoy:1' },
    ])
    expect(JSON.parse(template.metadata.annotations['sidecar.istio.io/status']).revision).toBe('canary')
  })

  test('prints nothing where something cannot be done, and says where and why', async () => {
    const bad = web.replace(
      'metadata: { labels',
      'metadata: { annotations: { sidecar.istio.io/proxyCPU: lots }, labels',
    )
    const paths = [file('bad.yaml', bad), file('broken.yaml', 'a: [\n'), file('good.yaml', web)] as const
    const { code, stdout, stderr } = await weft('inject', '-f', ...paths)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(
      [
        `${paths[0]}:9:59: error: Deployment shop/web metadata.annotations["sidecar.istio.io/proxyCPU"]`,
        '    "lots" is no quantity [bad-injection-annotation]',
        '    fix: write one such as "100m" or "128Mi"',
      ].join('\n'),
    )
    expect(stderr).toMatch(/broken\.yaml:\d:\d: error\n.*\[broken-yaml\]/)
  })

  test.each([
    [['-f', join(folder, 'missing.yaml')], /file-not-found/],
    [[], /required option '-f, --filename/],
    [['-f', 'x', '--capture', 'magic'], /Allowed choices are agent, init-container/],
  ])('%s', async (args, said) => {
    const { code, stdout, stderr } = await weft('inject', ...args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(said)
  })

  test('Istio’s published samples get proxies, and nothing in them goes unsaid', async ({ skip }) => {
    const samples = join(checkout, '../shared/corpus/istio-samples')
    try {
      readFileSync(join(samples, 'bookinfo/platform/kube/bookinfo.yaml'))
    } catch {
      skip('the published samples are not here')
    }
    // Those of proxyless gRPC have no proxy to be given.
    const folders = [
      'bookinfo',
      'curl',
      'extauthz',
      'health-check',
      'helloworld',
      'httpbin',
      'mtls-echo',
      'tcp-echo',
      'websockets',
    ]
      .map((name) => join(samples, name))
      .filter((path) => existsSync(path))
    const { code, stdout, stderr } = await weft('inject', '-R', '-f', ...folders)
    expect(code).toBe(0)
    expect(stderr.match(/(?<=(warning|error): ).*\n.*/g)).toEqual([
      'Deployment default/fortio-deploy metadata.annotations["proxy.istio.io/config"]\n    proxyStatsMatcher does nothing here [injection-annotation-ignored]',
    ])
    expect(stderr.match(/got a proxy/g)?.length).toBeGreaterThan(20)
    for (const document of parseAllDocuments(stdout)) expect(document.errors).toEqual([])
  })
})

/** `weft` with something on its standard input. */
function piped(input: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { cwd: checkout, env: { PATH: process.env['PATH'] ?? '', NO_COLOR: '1' } }
    const child = execFile(process.execPath, [`${checkout}bin/weft.js`, ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
    child.stdin?.end(input)
  })
}
