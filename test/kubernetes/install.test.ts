// An installation in use: what people do with it, what it may do, and how it goes.
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLUSTER_MS, type Cluster, noCluster, until, useCluster } from './cluster.ts'
import { echo, STRICT } from './echo-pods.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SYSTEM = 'weft-system'
const NAMESPACE = 'install'

describe.skipIf(noCluster)('an installation', () => {
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await useCluster()
    await cluster.namespace(NAMESPACE)
    await cluster.apply(NAMESPACE, `${STRICT}${echo('client')}${echo('server')}`)
    await cluster.rolledOut(NAMESPACE)
  }, CLUSTER_MS)

  afterAll(() => cluster?.removeNamespaces())

  /** A command about the cluster, whatever else runs on this machine. */
  const weft = (...args: readonly string[]) => cluster.weft(...args, '--kubeconfig', cluster.kubeconfig)

  test('is not changed by installing once more', async () => {
    expect(await weft('install')).toMatch(/^Nothing to change: \d+ objects as they should be\.\n$/)
  })

  test('is looked at through the kubeconfig', async () => {
    expect(await weft('precheck')).toContain('✓ installation: Weft ')
    expect(await weft('version')).toMatch(/\nserver +\S+ \(the mesh on https:/)
    const rows = (await weft('proxy-status', '-n', NAMESPACE)).trim().split('\n').slice(1)
    expect(rows).toHaveLength(2)
    for (const row of rows) expect(row).toMatch(/^install\/\S+ +synced +synced +synced +synced /)
    expect(await weft('proxy-config', 'client', 'clusters', '-n', NAMESPACE, '--fqdn', `server.${NAMESPACE}`)).toMatch(
      /^server\.install\.svc\.cluster\.local +80 /m,
    )
    expect(await weft('proxy-config', 'client', 'secrets', '-n', NAMESPACE)).toMatch(
      /^default .*spiffe:\/\/cluster\.local\/ns\/install\/sa\/client /m,
    )
    expect(await weft('describe', 'service', `server.${NAMESPACE}`)).toMatch(
      /Endpoints: 1 of 1 ready\n .* install\/server-\S+: mutual TLS STRICT/,
    )
    expect(await weft('describe', 'pod', 'server', '-n', NAMESPACE)).toContain('PeerAuthentication install/default')
    expect(await weft('get', 'peerauthentications', '-n', NAMESPACE)).toMatch(/^default /m)
  }, 150_000)

  test('is asked by somebody who may only look at the own namespace', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-developer-'))
    const page = readFileSync(join(import.meta.dirname, '../../docs/operations/install.md'), 'utf8')
    const [, roles = ''] = /```yaml\n(# Everybody in the group[\s\S]+?)```/.exec(page) ?? []
    const somebody = `{ kind: ServiceAccount, name: client, namespace: ${NAMESPACE} }`
    const granted = roles.replace(/subjects: .*/, `subjects: [${somebody}]`)
    try {
      await cluster.apply(SYSTEM, granted)
      await cluster.apply(NAMESPACE, granted.replaceAll(SYSTEM, NAMESPACE))
      const token = (await cluster.kubectl('-n', NAMESPACE, 'create', 'token', 'client')).trim()
      const file = join(folder, 'kubeconfig')
      cpSync(cluster.kubeconfig, file)
      const config = (...args: readonly string[]) => cluster.kubectl('--kubeconfig', file, 'config', ...args)
      await config('set-credentials', 'developer', `--token=${token}`)
      await config('set-context', '--current', '--user=developer', `--namespace=${NAMESPACE}`)
      const asked = (...args: readonly string[]) => cluster.weft(...args, '--kubeconfig', file)
      expect(await asked('proxy-status')).toMatch(/^install\/client-\S+ +synced /m)
      expect(await asked('proxy-config', 'client', 'secrets')).toContain('spiffe://cluster.local/ns/install/sa/client')
      expect(await asked('get', 'services')).toMatch(/^server +ClusterIP /m)
      await expect(asked('shift', 'server', 'v1=100')).rejects.toThrow(
        /is forbidden: .*; print it with weft shift --dry-run -o yaml, for somebody who may/,
      )
      await expect(asked('install')).rejects.toThrow('forbidden')
    } finally {
      rmSync(folder, { recursive: true })
      for (const namespace of [SYSTEM, NAMESPACE])
        await cluster.kubectl('-n', namespace, 'delete', 'role,rolebinding', 'weft-ask', '--ignore-not-found')
    }
  })

  test('has a console, which applies as whom the kubeconfig says', async () => {
    const args = [join(ROOT, 'bin/weft.js'), 'dashboard', '--kubeconfig', cluster.kubeconfig]
    const dashboard = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const address = await new Promise<URL>((resolve, reject) => {
        dashboard.on('exit', (code) => reject(new Error(`weft dashboard ended with ${code}`)))
        createInterface(dashboard.stdout).on('line', (line) => {
          const url = /http:\S+/.exec(line)?.[0]
          if (url) resolve(new URL(url))
        })
      })
      const authorization = `Bearer ${address.searchParams.get('key')}`
      const answer = async (path: string, body?: unknown) => {
        const headers = { authorization, 'content-type': 'application/json' }
        const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) }
        const response = await fetch(new URL(`/api/v1/console/${path}`, address), init)
        return { status: response.status, body: (await response.json()) as Record<string, unknown> }
      }
      expect((await fetch(new URL('/api/v1/console/overview', address))).status).toBe(401)
      const page = await fetch(new URL('/services', address))
      expect(page.headers.get('content-security-policy')).toMatch(/script-src 'self'; .*style-src 'self' 'nonce-/)
      const [script = ''] = /\/assets\/index-[^"]+\.js/.exec(await page.text()) ?? []
      const asset = await fetch(new URL(script, address), { headers: { 'accept-encoding': 'br' } })
      expect([asset.status, asset.headers.get('content-encoding')]).toEqual([200, 'br'])
      expect(await answer('overview')).toMatchObject({
        status: 200,
        body: { mesh: { place: 'cluster', writable: true }, findings: expect.any(Object) },
      })
      expect((await answer(`workloads/${NAMESPACE}/server`)).body).toMatchObject({
        mtls: 'strict',
        proxies: { synced: 1 },
        instances: [{ certificate: { spiffeId: 'spiffe://cluster.local/ns/install/sa/server' } }],
      })
      const asked = { host: `server.${NAMESPACE}.svc.cluster.local`, shares: { v1: 100 } }
      const { body: planned } = await answer('shift/plan', asked)
      expect(planned['changes']).toMatchObject([
        { where: 'DestinationRule install/server' },
        { where: 'VirtualService install/server' },
      ])
      expect((await answer('shift/apply', { ...asked, plan: 'another' })).status).toBe(409)
      expect(await answer('shift/apply', { ...asked, plan: planned['plan'] })).toEqual({
        status: 200,
        body: { written: ['DestinationRule install/server', 'VirtualService install/server'] },
      })
      const kinds = 'virtualservice.networking.istio.io/server,destinationrule.networking.istio.io/server'.split(',')
      expect(await cluster.kubectl('-n', NAMESPACE, 'get', ...kinds, '-o', 'name')).toContain('virtualservice')
      await cluster.kubectl('-n', NAMESPACE, 'delete', ...kinds)
    } finally {
      dashboard.kill()
    }
  })

  test('may do what it has to: nothing was forbidden', async () => {
    const logs = await Promise.all(
      ['deploy/weft-server', 'daemonset/weft-agent'].map((name) => cluster.kubectl('-n', SYSTEM, 'logs', name)),
    )
    expect(logs.join('')).toContain('leads')
    expect(
      logs
        .join('')
        .split('\n')
        .filter((line) => /forbidden|cannot/.test(line)),
    ).toEqual([])
  })

  test('is packed into a report, without secrets', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-report-'))
    try {
      const file = join(folder, 'report.tar.gz')
      await weft('bug-report', '-o', file)
      await promisify(execFile)('tar', ['xzf', file], { cwd: folder })
      const { stdout: names } = await promisify(execFile)('find', ['.', '-type', 'f'], { cwd: folder })
      expect(names).toMatch(/\/logs\/weft-system\/weft-server-\S+\/server\.log\n/)
      expect(names).toMatch(/\/proxies\/install\/client-\S+\/config_dump\.json\n/)
      expect(names).toMatch(/\/configuration\/peerauthentications\.security\.istio\.io\.yaml\n/)
      const filesWith = (...args: readonly string[]) =>
        promisify(execFile)('grep', ['-rl', ...args, '.'], { cwd: folder }).then(
          ({ stdout }) => stdout,
          ({ stdout }: { stdout: string }) => stdout,
        )
      // Keys, tokens (JSON Web Tokens begin so) and Secrets; and that these are looked for where something is found.
      expect(await filesWith('-E', 'PRIVATE KEY|eyJ[A-Za-z0-9_-]{20,}\\.|kind: Secret$')).toBe('')
      expect(await filesWith('-E', 'BEGIN CERTIFICATE|kind: Lease$')).not.toBe('')
      // The keys of the authority in particular, in whatever form: no line of them, and none of what the API server makes of them.
      const { data } = JSON.parse(await cluster.kubectl('-n', SYSTEM, 'get', 'secret', 'weft-ca', '-o', 'json')) as {
        readonly data: Readonly<Record<string, string>>
      }
      const texts = Object.values(data).map((encoded) => [encoded, Buffer.from(encoded, 'base64').toString()] as const)
      const keys = texts.filter(([, text]) => text.includes('PRIVATE KEY'))
      expect(keys.length).toBeGreaterThan(0)
      for (const [encoded, text] of keys) {
        const lines = /PRIVATE KEY-----\n([\s\S]+?)\n-----END/.exec(text)?.[1]?.split('\n') ?? []
        expect(lines.length).toBeGreaterThan(0)
        for (const secret of [encoded.slice(120, 170), ...lines]) expect(await filesWith('-F', '-e', secret)).toBe('')
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is replaced without a failed request, as by a newer version, while pods come and the leader goes', async () => {
    const load = cluster.load(NAMESPACE, 'client', 'http://server/')
    await load.started
    // What they ask for of a busy node is what they get, and what they take to start.
    const little = '{requests: {cpu: 100m, memory: 100Mi}}'
    const [said] = await Promise.all([
      // All servers and agents are of another kind then.
      weft(
        ...['install', '--timeout', '240', '--profile', 'production'],
        ...['--set', `server.resources=${little}`, '--set', `agent.resources=${little}`],
        // Not all clusters have volumes to give.
        ...['--set', 'server.storageSize='],
      ),
      cluster.kubectl('-n', NAMESPACE, 'scale', 'deploy/server', '--replicas=2'),
    ])
    expect(said).toMatch(/^Weft is installed: 3 created, 2 changed, \d+ left as they were\.\n/)
    await cluster.rolledOut(NAMESPACE, 120)
    const ready = ['get', 'deploy', 'weft-server', '-o', 'jsonpath={.status.availableReplicas}']
    await until('two servers', async () => (await cluster.kubectl('-n', SYSTEM, ...ready)) === '2', 120)
    const holder = ['get', 'lease', 'weft-leader', '-o', 'jsonpath={.spec.holderIdentity}']
    const leader = await cluster.kubectl('-n', SYSTEM, ...holder)
    await cluster.kubectl('-n', SYSTEM, 'delete', 'pod', leader)
    await until('another leader', async () => (await cluster.kubectl('-n', SYSTEM, ...holder)) !== leader, 120)
    expect(await weft('install', '--timeout', '240')).toContain('2 changed, 3 removed')
    expect(await load.stop()).toEqual({ answered: expect.any(Number), failures: [] })
  }, 900_000)

  test('goes without a trace and without a failed request, and comes back', async () => {
    await cluster.othersGone()
    const load = cluster.load(NAMESPACE, 'client', 'http://server/')
    await load.started
    try {
      const said = await weft('uninstall', '--yes')
      expect(said).toMatch(/\nPods that still have a proxy: \d \(in install\)/)
      const kinds = (await cluster.kubectl('api-resources', '--verbs=list', '-o', 'name')).trim().split('\n')
      // An event is told of what is gone.
      const listed = kinds.filter((kind) => !kind.startsWith('events')).join(',')
      const names = (await cluster.kubectl('get', listed, '-A', '-o', 'name')).split('\n')
      expect(names.length).toBeGreaterThan(100)
      // Definitions of kinds stay, and what people wrote with them, but for `--purge`.
      expect(names.filter((name) => name.includes('weft'))).toEqual([
        ...[
          'alertreceivers.observability',
          'alertrules.observability',
          'applications.adoption',
          'oidcpolicies.security',
          'onboardings.adoption',
          'servicelevelobjectives.observability',
          'silences.observability',
        ].map((name) => `customresourcedefinition.apiextensions.k8s.io/${name}.weft.dev`),
        ...['adoption', 'observability', 'security'].map(
          (group) => `apiservice.apiregistration.k8s.io/v1alpha1.${group}.weft.dev`,
        ),
      ])
      expect(await load.stop()).toEqual({ answered: expect.any(Number), failures: [] })
      expect(
        await cluster.node(NAMESPACE, 'client', `fetch('http://server/').then((r) => console.log(r.status))`),
      ).toBe('200\n')
    } finally {
      expect(await weft('install', '--timeout', '240')).toContain('Weft is installed')
    }
    // With the new authority's certificates.
    await cluster.kubectl('-n', NAMESPACE, 'rollout', 'restart', 'deploy')
    await cluster.rolledOut(NAMESPACE)
    expect(await cluster.node(NAMESPACE, 'client', `fetch('http://server/').then((r) => console.log(r.status))`)).toBe(
      '200\n',
    )
  }, 600_000)
})
