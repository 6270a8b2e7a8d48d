import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Application } from '../../resources/adoption.ts'
import { parseYaml } from '../../resources/parse.ts'
import { estateOfYaml } from '../estate/estate-of-yaml.ts'
import { trafficOfApplications } from '../evidence/application-traffic.ts'
import { draftsOfBackstage } from './backstage.ts'
import { checkInventory } from './check.ts'
import { draftsOfCsv } from './csv.ts'
import { readApplications, writeApplications } from './folder.ts'
import { applicationText, mergeDrafts } from './merge.ts'
import { draftsOfEstate } from './of-estate.ts'

const app = (name: string, spec: object, namespace = 'shop') =>
  JSON.stringify({ apiVersion: 'adoption.weft.dev/v1alpha1', kind: 'Application', metadata: { name, namespace }, spec })

function applications(...texts: readonly string[]): Application[] {
  const { resources, messages } = parseYaml(texts.join('\n---\n'), 'applications.yaml')
  expect(messages).toEqual([])
  return resources as Application[]
}

const deployment = (
  name: string,
  {
    namespace = 'shop',
    labels = { app: name } as object,
    container = {},
    kind = 'Deployment',
    pod = {},
    meta = {},
  } = {},
) =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace, ...meta },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { ...pod, containers: [{ name: 'main', image: `example/${name}:1`, ...container }] },
      },
    },
  })
const service = (
  name: string,
  {
    namespace = 'shop',
    selector = { app: name } as object,
    ports = [{ name: 'http', port: 80 }] as object[],
    more = {},
  } = {},
) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector, ports, ...more },
  })
const estate = (...objects: readonly string[]) => estateOfYaml(objects.join('\n---\n'))

describe('the schema of an Application', () => {
  test('names field, line and remedy of what is wrong', () => {
    const { messages, resources } = parseYaml(
      'apiVersion: adoption.weft.dev/v1alpha1\nkind: Application\nmetadata: { name: a }\nspec:\n  workloads: [{ name: a, knd: Pod }]\n  criticality: hgh\n  owner: { contact: x }\n  requirements: { latency: { p99: fast } }\n',
      'a.yaml',
    )
    expect(resources).toEqual([])
    expect(messages.map(({ rule, field, position }) => [rule, field, position?.line]).sort()).toEqual([
      ['missing-field', 'spec.owner.team', 7],
      ['not-allowed-value', 'spec.criticality', 6],
      ['unknown-field', 'spec.workloads[0].knd', 5],
      ['wrong-format', 'spec.requirements.latency.p99', 8],
    ])
  })
})

describe('from an estate', () => {
  const drafts = draftsOfEstate(
    estate(
      deployment('cart-v1', {
        labels: { app: 'cart', version: 'v1' },
        meta: { labels: { team: 'checkout', criticality: 'high' } },
      }),
      deployment('cart-v2', { labels: { app: 'cart', version: 'v2' } }),
      service('cart'),
      deployment('db', { kind: 'StatefulSet', container: { image: 'mysql:8' } }),
      service('db', { ports: [{ name: 'mysql', port: 3306 }] }),
      deployment('web', {
        pod: { nodeSelector: { 'topology.kubernetes.io/zone': 'eu-1a' } },
        container: {
          env: [
            { name: 'CART', value: 'http://cart:80/api' },
            { name: 'MAIL', value: 'smtp://mail.example.com:25' },
            { name: 'VERSION', value: '1.2.3' },
          ],
          args: ['--db=db.shop.svc.cluster.local:3306', '--self=web'],
        },
      }),
      service('web'),
      deployment('job-of-kube', { namespace: 'kube-system' }),
    ),
    'app',
  )
  const spec = (name: string) => drafts.find((draft) => draft.name === name)?.spec

  test('versions of one app are one application, and what is of the system is none', () => {
    expect(drafts.map(({ name }) => name).sort()).toEqual(['cart', 'db', 'web'])
    expect(spec('cart')).toEqual({
      workloads: [{ name: 'cart-v1' }, { name: 'cart-v2' }],
      owner: { team: 'checkout' },
      criticality: 'high',
      ports: [{ port: 80, protocol: 'HTTP' }],
    })
  })

  test('products and what speaks first are recognized', () => {
    expect(spec('db')).toEqual({
      workloads: [{ kind: 'StatefulSet', name: 'db' }],
      ports: [{ port: 3306, protocol: 'TCP', serverFirst: true, product: 'MySQL' }],
    })
  })

  test('whom it calls is told by its variables and arguments', () => {
    expect(spec('web')?.dependencies).toEqual({
      applications: [{ name: 'cart' }, { name: 'db' }],
      external: [{ host: 'mail.example.com', port: 25 }],
    })
    expect(spec('web')?.requirements).toEqual({ zones: ['eu-1a'] })
  })

  test('may be grouped otherwise', () => {
    const labels = { app: 'a', 'app.kubernetes.io/part-of': 'shop-front' }
    const given = estate(
      deployment('a', { labels }),
      deployment('b', { labels: { ...labels, app: 'b' } }),
      deployment('c'),
    )
    expect(draftsOfEstate(given, 'part-of').map(({ name }) => name)).toEqual(['shop-front', 'c'])
    expect(draftsOfEstate(given, 'namespace').map(({ name }) => name)).toEqual(['shop'])
  })
})

describe('from CSV', () => {
  const told = (text: string) => {
    const { drafts, messages } = draftsOfCsv(text, 'a.csv')
    return {
      names: drafts.map(({ name }) => name),
      told: messages.map(({ position, problem }) => `${position?.line} ${problem}`),
    }
  }

  test('every column is read', () => {
    const { drafts, messages } = draftsOfCsv(
      'Name;Namespace;Display name;Team;Contact;Tier;PCI;Zones;Platform;Latency p99;Languages;Ports;Depends on;External;DR;RTO;RPO;Workloads\n' +
        'Cart Service;shop;The cart;checkout;#checkout;HIGH;yes;"eu-1a;eu-1b";both;50ms;"go;java";8080/http;"stock;pay/ledger";api.example.com:443;warmstandby;4h;5m;"cart-v1;StatefulSet/cart-db"\n',
      'a.csv',
    )
    expect(messages).toEqual([])
    expect(drafts).toEqual([
      {
        name: 'cart-service',
        namespace: 'shop',
        spec: {
          displayName: 'The cart',
          owner: { team: 'checkout', contact: '#checkout' },
          criticality: 'high',
          requirements: {
            compliance: ['PCI-DSS'],
            zones: ['eu-1a', 'eu-1b'],
            platform: 'Both',
            latency: { p99: '50ms' },
          },
          technology: { languages: ['go', 'java'] },
          ports: [{ port: 8080, protocol: 'HTTP' }],
          dependencies: {
            applications: [{ name: 'stock' }, { namespace: 'pay', name: 'ledger' }],
            external: [{ host: 'api.example.com', port: 443 }],
          },
          disasterRecovery: { strategy: 'WarmStandby', recoveryTime: '4h', recoveryPoint: '5m' },
          workloads: [{ name: 'cart-v1' }, { kind: 'StatefulSet', name: 'cart-db' }],
        },
      },
    ])
  })

  test('broken rows are told with their lines, and the good ones kept', () => {
    const text = [
      'name,team,criticality,ports,colour',
      'a,one,low,80/HTTP,',
      'b,"one,low,,',
      'c,one,lwo,,',
      'd,one',
      ',one,low,,',
      '"e","two\nlines",low,,',
      'f,one,low,http,',
      'g 6" pipe,one,low,,',
      '',
      'h,one,high,,',
    ].join('\n')
    const { names, told: messages } = told(text)
    expect(names).toEqual(['a', 'e', 'h'])
    expect(messages).toEqual([
      '1 the column "colour" means nothing here',
      '3 a quote is not closed, or stands in the middle of a cell',
      '4 criticality: "lwo" is none of low, medium, high, critical',
      '5 the row has 2 cells, the heading 5: is a separator missing, or a quote?',
      '6 the row has no name',
      '9 ports: "http" is no port; write one such as 8080/HTTP',
      '10 a quote is not closed, or stands in the middle of a cell',
    ])
  })

  test.each([
    ['', '1 the file is empty'],
    ['app name,team\nx,y', '1 there is no column "name"'],
  ])('%j', (text, problem) => {
    expect(told(text).told).toContain(problem)
  })

  test('whatever stands in other rows, a good row is kept', () => {
    const noise = fc
      .array(fc.constantFrom('"', ',', 'x', '""', '","', 'low', '\t', '\\', "'", 'é'), { maxLength: 12 })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 6 }), fc.nat(6), (rows, at) => {
        // Quotes that are even may well reach over lines: then the rows between them are one cell, as CSV has it.
        const alone = rows.filter((row) => (row.match(/"/g) ?? []).length % 2 === 0)
        const lines = alone.toSpliced(Math.min(at, alone.length), 0, 'good,one')
        return told(['name,team', ...lines].join('\n')).names.includes('good')
      }),
    )
  })

  test('a quote that is never closed in a large file costs one row', () => {
    const rows = Array.from({ length: 5000 }, (_, i) => `app-${i},team`)
    const { names } = told(['name,team', 'bad,"x', ...rows].join('\n'))
    expect(names).toHaveLength(5000)
  })
})

describe('from Backstage', () => {
  const { drafts, teams, messages } = draftsOfBackstage(
    `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: cart
  title: The cart
  tags: [java, web]
  annotations: { backstage.io/kubernetes-namespace: shop }
spec: { type: service, lifecycle: production, owner: group:default/checkout, dependsOn: [component:stock, resource:db] }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: lib }
spec: { type: library, owner: checkout }
---
kind: [broken
---
apiVersion: v1
kind: Service
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: checkout }
`,
    'catalog-info.yaml',
  )

  test('components are applications, groups are teams', () => {
    expect(drafts).toEqual([
      {
        name: 'cart',
        namespace: 'shop',
        spec: {
          displayName: 'The cart',
          owner: { team: 'checkout' },
          technology: { languages: ['java'] },
          dependencies: { applications: [{ name: 'stock' }] },
        },
      },
    ])
    expect(teams).toEqual(['checkout'])
  })

  test('what is none is told of with its line', () => {
    expect(messages.map(({ position, problem }) => `${position?.line} ${problem}`)).toEqual([
      '16 the entity is not valid YAML',
      '17 this is no entity of Backstage',
    ])
  })
})

describe('brought together', () => {
  const existing = applications(
    app('cart', { workloads: [{ name: 'cart' }], owner: { team: 'checkout' }, requirements: { zones: ['eu-1a'] } }),
  )

  test('what people wrote stays, and what is absent is filled in', () => {
    const merged = mergeDrafts(
      existing,
      [
        {
          name: 'cart',
          namespace: 'shop',
          spec: {
            owner: { team: 'other', contact: '#x' },
            criticality: 'low',
            requirements: { zones: ['us'], platform: 'Both' },
            workloads: [{ name: 'cart' }, { name: 'cart-v2' }],
          },
        },
      ],
      'default',
    )
    expect(merged).toMatchObject([
      {
        change: 'completed',
        spec: {
          owner: { team: 'checkout', contact: '#x' },
          criticality: 'low',
          requirements: { zones: ['eu-1a'], platform: 'Both' },
          workloads: [{ name: 'cart' }, { name: 'cart-v2' }],
        },
      },
    ])
  })

  test('a workload that an application has is not given to another', () => {
    const merged = mergeDrafts(
      existing,
      [{ name: 'basket', namespace: 'shop', spec: { workloads: [{ name: 'cart' }] } }],
      'default',
    )
    expect(merged.map(({ name, change }) => [name, change])).toEqual([['cart', 'unchanged']])
  })

  test('a name without namespace is where the only one of its name is', () => {
    const merged = mergeDrafts(
      [],
      [
        { name: 'till', spec: {} },
        { name: 'odd', spec: {} },
        { name: 'till', namespace: 'pos', spec: { workloads: [{ name: 'till' }] } },
      ],
      'home',
    )
    expect(merged.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(['pos/till', 'home/odd'])
  })

  test('nothing new changes nothing, whatever was imported', () => {
    const drafts = draftsOfEstate(
      estate(
        deployment('a'),
        service('a'),
        deployment('b', { container: { env: [{ name: 'A', value: 'http://a' }] } }),
      ),
      'app',
    )
    const once = mergeDrafts([], drafts, 'default')
    const again = mergeDrafts(applications(...once.map((each) => applicationText(each))), drafts, 'default')
    expect(again.map(({ change }) => change)).toEqual(['unchanged', 'unchanged'])
    expect(again.map(({ spec }) => spec)).toEqual(once.map(({ spec }) => spec))
  })
})

describe('in a folder', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-inventory-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('each is a file, and comments of people stay', () => {
    mkdirSync(join(folder, 'applications'))
    const path = join(folder, 'applications', 'mine.yaml')
    writeFileSync(
      path,
      '# Ours.\napiVersion: adoption.weft.dev/v1alpha1\nkind: Application\nmetadata: { name: cart, namespace: shop }\nspec:\n  # The old one goes in May.\n  workloads: [{ name: cart }]\n---\n' +
        app('till', { workloads: [{ name: 'till' }] }),
    )
    const { applications: existing, messages } = readApplications(folder)
    expect(messages).toEqual([])
    const drafts = [
      { name: 'cart', namespace: 'shop', spec: { criticality: 'high', workloads: [{ name: 'cart-v2' }] } as const },
      { name: 'new', namespace: 'shop', spec: { workloads: [{ name: 'new' }] } },
    ]
    const paths = writeApplications(folder, existing, mergeDrafts(existing, drafts, 'default'))
    expect(paths).toEqual([path, join(folder, 'applications', 'shop.new.yaml')])
    const text = readFileSync(path, 'utf8')
    expect(text).toContain('# Ours.')
    expect(text).toContain('# The old one goes in May.')
    expect(
      readApplications(folder).applications.map(({ metadata, spec }) => [
        metadata.name,
        spec?.criticality,
        spec?.workloads.length,
      ]),
    ).toEqual([
      ['cart', 'high', 2],
      ['till', undefined, 1],
      ['new', undefined, 1],
    ])
  })

  test('one that is not there is empty', () => {
    expect(readApplications(folder)).toEqual({ applications: [], messages: [] })
  })
})

describe('checks', () => {
  const rules = (...args: Parameters<typeof checkInventory>) =>
    checkInventory(...args).map(({ rule, object, field }) => [rule, object, field].filter(Boolean).join(' '))
  const whole = { owner: { team: 'one' }, criticality: 'low' }

  test('overlaps', () => {
    const given = applications(
      app('a', { ...whole, workloads: [{ name: 'x' }] }),
      app('b', { ...whole, workloads: [{ name: 'y' }, { kind: 'Deployment', name: 'x' }] }),
    )
    expect(rules(given, {})).toEqual(['overlapping-applications Application shop/b spec.workloads[1]'])
    expect(checkInventory(given, {})[0]).toMatchObject({
      severity: 'error',
      problem: 'Deployment/x is of Application shop/a too',
    })
  })

  test('owners', () => {
    const given = applications(
      app('a', { workloads: [{ name: 'x' }] }),
      app('b', { ...whole, owner: { team: 'chekout' }, workloads: [{ name: 'y' }] }),
    )
    expect(rules(given, { teams: ['checkout', 'stock'] })).toEqual([
      'no-owner Application shop/a',
      'no-criticality Application shop/a',
      'unknown-owner Application shop/b spec.owner.team',
    ])
    expect(checkInventory(given, { teams: ['checkout'] }).at(-1)?.remedy).toBe('did you mean "checkout"?')
    expect(rules(given, {})).not.toContain('unknown-owner Application shop/b spec.owner.team')
  })

  test('dependencies and workloads that are not there, and workloads of nobody', () => {
    const given = applications(
      app('a', {
        ...whole,
        workloads: [{ name: 'a' }, { name: 'gone' }, { kind: 'WorkloadGroup', name: 'vms' }],
        dependencies: { applications: [{ name: 'b' }] },
      }),
    )
    expect(rules(given, { estate: estate(deployment('a'), deployment('lonely')) })).toEqual([
      'dependency-missing Application shop/a spec.dependencies.applications[0]',
      'workload-missing Application shop/a spec.workloads[1]',
      'workload-of-nobody Deployment shop/lonely',
    ])
  })

  test('a kind that could not be read is not missed', () => {
    const seen = { ...estate(deployment('a')), unread: [{ kind: 'StatefulSet', why: 'you may not list it' } as const] }
    expect(
      rules(applications(app('a', { ...whole, workloads: [{ name: 'a' }, { kind: 'StatefulSet', name: 'db' }] })), {
        estate: seen,
      }),
    ).toEqual([])
  })

  test.each([
    ['zookeeper:3.9', [{ name: 'client', port: 2181 }], /ZooKeeper.*vote among themselves/, /2888, 3888/],
    ['registry.example/bitnami/redis-cluster:7', [{ name: 'redis', port: 6379 }], /MOVED/, /exempt/],
    ['bitnami/kafka:3', [{ name: 'tcp-kafka', port: 9092 }], /by address/, /advertise names/],
    ['mysql:8', [{ name: 'tcp-mysql', port: 3306 }], /speaks first/, /tcp-mysql/],
    ['example/dns:1', [{ name: 'dns', port: 53, protocol: 'UDP' }], /UDP/, /no encryption/],
  ])('%s is warned of, unless it is exempt', (image, ports, problem, remedy) => {
    const seen = estate(deployment('x', { container: { image } }), service('x', { ports }))
    const spec = { ...whole, workloads: [{ name: 'x' }] }
    const [message, ...others] = checkInventory(applications(app('x', spec)), { estate: seen })
    expect(others).toEqual([])
    expect(message).toMatchObject({ rule: 'hurts-in-mesh', severity: 'warning', field: 'spec.workloads[0]' })
    expect(message?.problem).toMatch(problem)
    expect(message?.remedy).toMatch(remedy)
    expect(rules(applications(app('x', { ...spec, exempt: { reason: 'later' } })), { estate: seen })).toEqual([])
  })

  test('headless services are warned of', () => {
    const seen = estate(deployment('x'), service('x', { more: { clusterIP: 'None' } }))
    expect(
      checkInventory(applications(app('x', { ...whole, workloads: [{ name: 'x' }] })), { estate: seen })[0]?.problem,
    ).toContain('Service shop/x is headless')
  })
})

test('what traffic shows is told by application', () => {
  const given = applications(
    app('web', { workloads: [{ name: 'web' }] }),
    app('cart', { workloads: [{ name: 'cart-v1' }, { name: 'cart-v2' }] }),
    app('idle', { workloads: [{ name: 'idle' }] }),
    app('unused', { workloads: [{ name: 'unused' }] }),
  )
  const plain = (namespace: string, workload: string, sourceNamespace: string, sourceWorkload: string) => ({
    source: { namespace: sourceNamespace, workload: sourceWorkload, address: '10.0.0.9', inMesh: false },
    destination: { namespace, workload, port: 80 },
    firstSeen: 1,
    lastSeen: 2,
    connections: 1,
  })
  const call = (from: string | undefined, to: string | undefined, more = {}) => ({
    from,
    to,
    service: 'cart.shop',
    protocol: 'http' as const,
    count: 10,
    mutualTls: 1,
    p99: 5,
    ...more,
  })
  const traffic = trafficOfApplications(given, {
    from: Date.parse('2026-01-01T00:00:00Z'),
    to: Date.parse('2026-01-02T00:00:00Z'),
    calls: [
      call('shop/web', 'shop/cart-v1'),
      call('shop/web', 'shop/cart-v2', { count: 20 }),
      call(undefined, 'shop/cart-v1', { mutualTls: 0, protocol: 'grpc' }),
      call('shop/cart-v1', 'shop/cart-v2', { mutualTls: undefined }),
      call('shop/cart-v1', undefined, { service: 'api.example.com' }),
    ],
    plaintext: [plain('shop', 'cart-v2', 'legacy', 'batch'), plain('shop', 'idle', 'unknown', 'unknown')],
  })
  expect(traffic.get('shop/cart')).toEqual({
    since: '2026-01-01T00:00:00.000Z',
    until: '2026-01-02T00:00:00.000Z',
    protocols: ['GRPC', 'HTTP'],
    callers: ['legacy/batch', 'shop/web', 'unknown'],
    plaintextCallers: ['legacy/batch', 'unknown'],
    callees: ['api.example.com'],
    plaintextShare: 0.25,
  })
  expect(traffic.get('shop/web')).not.toHaveProperty('plaintextShare')
  expect(traffic.get('shop/idle')?.plaintextCallers).toEqual(['unknown'])
  expect(traffic.has('shop/unused')).toBe(false)
})
