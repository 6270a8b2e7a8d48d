import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { Estate } from '../estate/estate.ts'
import { estateOfYaml } from '../estate/estate-of-yaml.ts'
import { BASICS, lookAtAll } from './all.ts'

/** Everything is right. */
const GOOD = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { pod-security.kubernetes.io/enforce: restricted } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: cart, namespace: shop }
automountServiceAccountToken: false
---
apiVersion: v1
kind: ResourceQuota
metadata: { name: quota, namespace: shop }
spec: { hard: { pods: "20" } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: cart } }
  template:
    metadata: { labels: { app: cart } }
    spec:
      serviceAccountName: cart
      securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: cart
          image: registry.example/cart:1.4.2
          ports: [{ containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /ready, port: 8080 } }
          resources: { requests: { cpu: 100m, memory: 64Mi }, limits: { memory: 128Mi } }
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: cart, namespace: shop }
spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: cart }, minReplicas: 2, maxReplicas: 5 }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: cart, namespace: shop }
spec: { minAvailable: 1, selector: { matchExpressions: [{ key: app, operator: In, values: [cart] }] } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny, namespace: shop }
spec: { podSelector: {}, policyTypes: [Ingress] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: admins }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: Group, name: platform }]
`

const failing = (estate: Estate) =>
  Object.fromEntries(
    lookAtAll(estate).flatMap(({ basic, failing }) => (failing.length > 0 ? [[basic.id, failing]] : [])),
  )

test('of what is right nothing is said, and all of it is looked at', () => {
  const results = lookAtAll(estateOfYaml(GOOD))
  expect(results.filter(({ failing }) => failing.length > 0)).toEqual([])
  expect(results.filter(({ unknown }) => unknown !== undefined)).toEqual([])
  expect(results.map(({ basic }) => basic.id)).toEqual(BASICS.map(({ id }) => id))
})

type Path = readonly (string | number)[]
const POD: Path = ['spec', 'template', 'spec']
const CONTAINER: Path = [...POD, 'containers', 0]

/** What is made wrong in one object, and which basics say so of which object. */
const DAMAGE: readonly (readonly [kind: string, path: Path, value: unknown, told: Readonly<Record<string, RegExp>>])[] =
  [
    [
      'Deployment',
      [...CONTAINER, 'resources', 'requests', 'cpu'],
      undefined,
      { 'resource-requests': /"cart" does not request/ },
    ],
    ['Deployment', [...CONTAINER, 'resources', 'limits'], undefined, { 'memory-limits': /"cart" has no limit/ }],
    ['Deployment', [...CONTAINER, 'readinessProbe'], undefined, { 'readiness-probes': /no readiness probe/ }],
    ['Deployment', [...CONTAINER, 'image'], 'cart:latest', { 'fixed-images': /without version/ }],
    ['Deployment', [...CONTAINER, 'image'], 'registry.example:5000/cart', { 'fixed-images': /without version/ }],
    ['Deployment', [...CONTAINER, 'securityContext', 'privileged'], true, { 'not-privileged': /privileged/ }],
    [
      'Deployment',
      [...CONTAINER, 'securityContext', 'allowPrivilegeEscalation'],
      undefined,
      { 'not-privileged': /allowPrivilegeEscalation/ },
    ],
    [
      'Deployment',
      [...CONTAINER, 'securityContext', 'capabilities', 'add'],
      ['NET_ADMIN'],
      { capabilities: /beyond the baseline/ },
    ],
    ['Deployment', [...POD, 'securityContext', 'runAsNonRoot'], undefined, { 'not-root': /may run as root/ }],
    ['Deployment', [...POD, 'securityContext', 'seccompProfile'], undefined, { seccomp: /no seccomp profile/ }],
    ['Deployment', [...POD, 'hostNetwork'], true, { 'own-namespaces': /sets hostNetwork/ }],
    [
      'Deployment',
      [...POD, 'serviceAccountName'],
      'default',
      { 'own-service-account': /"default"/, 'unused-tokens': /is given a token/ },
    ],
    [
      'Namespace',
      ['metadata', 'labels'],
      { 'pod-security.kubernetes.io/enforce': 'privileged' },
      { 'pod-security': /"privileged" only/ },
    ],
    [
      'PodDisruptionBudget',
      ['spec', 'selector'],
      { matchLabels: { app: 'other' } },
      { 'disruption-budgets': /no PodDisruptionBudget/ },
    ],
    ['NetworkPolicy', ['metadata', 'namespace'], 'other', { 'network-policies': /no NetworkPolicy/ }],
    ['ResourceQuota', ['metadata', 'namespace'], 'other', { quotas: /no ResourceQuota/ }],
    [
      'ClusterRoleBinding',
      ['subjects'],
      [{ kind: 'ServiceAccount', namespace: 'shop', name: 'cart' }],
      { 'cluster-admins': /shop\/cart cluster-admin/ },
    ],
  ]

describe('what is wrong is told, with the object, and nothing else is', () => {
  test.each(DAMAGE.map((row) => [`${row[0]} ${row[1].join('.')} = ${JSON.stringify(row[2])}`, row] as const))(
    '%s',
    (_, [kind, path, value, told]) => {
      const objects = GOOD.split('---').map((text) => parse(text) as { kind: string })
      const object = objects.find((each) => each.kind === kind) ?? expect.fail(kind)
      set(object, path, value)
      const found = failing(estateOfYaml(objects.map((each) => stringify(each)).join('---\n')))
      expect(Object.keys(found).sort()).toEqual(Object.keys(told).sort())
      for (const [id, problem] of Object.entries(told)) expect(found[id]?.[0]?.problem).toMatch(problem)
    },
  )

  test('one replica without autoscaler', () => {
    const text = GOOD.replace('replicas: 2', 'replicas: 1').replace(
      'name: cart }, minReplicas',
      'name: other }, minReplicas',
    )
    const found = failing(estateOfYaml(text))
    expect(Object.keys(found).sort()).toEqual(['autoscaling', 'several-replicas'])
  })

  test('one service account for two applications', () => {
    const second = GOOD.split('---')[3]
      ?.replaceAll('cart', 'till')
      .replace('serviceAccountName: till', 'serviceAccountName: cart')
    const found = failing(estateOfYaml(`${GOOD}---${second}`))
    expect(found['own-service-account']?.map(({ object }) => object)).toEqual([
      'Deployment shop/cart',
      'Deployment shop/till',
    ])
    expect(found['own-service-account']?.[0]?.problem).toContain('cart, till')
  })
})

test('of a kind that could not be read nothing is told, rather than that there is none', () => {
  const estate = estateOfYaml(GOOD)
  const blind: Estate = {
    ...estate,
    objects: estate.objects.filter(({ kind }) => kind !== 'PodDisruptionBudget'),
    unread: [{ kind: 'PodDisruptionBudget', why: 'you may not list it' }],
  }
  const result = lookAtAll(blind).find(({ basic }) => basic.id === 'disruption-budgets')
  expect(result).toMatchObject({ checked: 0, failing: [], unknown: 'PodDisruptionBudget: you may not list it' })
})

test('where there is no workload nothing is told', () => {
  const results = lookAtAll(estateOfYaml('apiVersion: v1\nkind: Namespace\nmetadata: { name: empty }'))
  expect(results.every(({ unknown }) => unknown !== undefined)).toBe(true)
})

function set(object: unknown, path: Path, value: unknown): void {
  const last = path.at(-1) as string
  const parent = path
    .slice(0, -1)
    .reduce<Record<string | number, unknown>>(
      (at, step) => at[step] as Record<string | number, unknown>,
      object as Record<string | number, unknown>,
    )
  if (value === undefined) delete parent[last]
  else parent[last] = value
}
