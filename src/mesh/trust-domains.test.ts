import { afterEach, expect, test } from 'vitest'
import type { AuthorizationPolicy } from '../resources/istio.ts'
import { parseYaml } from '../resources/parse.ts'
import { Store } from '../store/store.ts'
import { byEveryName, meshPeers, spiffeId, trustDomainAliases, useTrustDomain, withAliases } from './trust-domains.ts'

afterEach(() => useTrustDomain('cluster.local'))

function snapshotOf(yaml: string) {
  const store = new Store()
  store.apply(parseYaml(yaml, 'test.yaml').resources.map((put) => ({ put })))
  return store.snapshot
}

const MESH = `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data: { mesh: "trustDomainAliases: [old.example.com, cluster.local]" }
`

test('trusted are the own domain, its aliases and those that are federated with', () => {
  useTrustDomain('new.example.com')
  const federated =
    '{ apiVersion: v1, kind: ConfigMap, metadata: { name: weft-federated-domains, namespace: istio-system }, data: { domains: "a.org b.org" } }'
  expect(meshPeers(snapshotOf(`${MESH}---\n${federated}`)).domains).toEqual([
    'new.example.com',
    'old.example.com',
    'cluster.local',
    'a.org',
    'b.org',
  ])
  expect(spiffeId('a', 'b')).toBe('spiffe://new.example.com/ns/a/sa/b')
  expect(meshPeers(snapshotOf(''))).toEqual({ domains: ['new.example.com'], tls12: false })
  expect(meshPeers(snapshotOf(MESH.replace(/"trust.*"/, '"meshMTLS: { minProtocolVersion: TLSV1_2 }"'))).tls12).toBe(
    true,
  )
  expect(trustDomainAliases(snapshotOf(MESH))).toBe(trustDomainAliases(snapshotOf(`${MESH}`)))
  // Those that the installation says, too.
  useTrustDomain('new.example.com', ['older.example.com'])
  expect(trustDomainAliases(snapshotOf(MESH))).toEqual(['older.example.com', 'old.example.com', 'cluster.local'])
  expect(meshPeers(snapshotOf('')).domains).toEqual(['new.example.com', 'older.example.com'])
})

test('a broken mesh config has no aliases', () => {
  expect(trustDomainAliases(snapshotOf(MESH.replace('[old', '{old')))).toEqual([])
  expect(trustDomainAliases(snapshotOf(MESH.replace(/"trust.*"/, '"trustDomainAliases: yes"')))).toEqual([])
})

function principalsOf(principals: string[], aliases: string[]) {
  const policy = { metadata: {}, spec: { rules: [{ from: [{ source: { principals } }] }] } }
  const { spec } = withAliases(policy as unknown as AuthorizationPolicy, aliases)
  return spec?.rules?.[0]?.from?.[0]?.source?.principals
}

test.each([
  ['cluster.local/ns/a/sa/b', ['cluster.local/ns/a/sa/b', 'old/ns/a/sa/b']],
  ['old/ns/a/sa/b', ['old/ns/a/sa/b', 'cluster.local/ns/a/sa/b']],
  ['spiffe://old/ns/a/*', ['old/ns/a/*', 'cluster.local/ns/a/*']],
  ['ol*/ns/a/sa/b', ['ol*/ns/a/sa/b', 'cluster.local/ns/a/sa/b', 'old/ns/a/sa/b']],
  ['*/ns/a/sa/b', ['*/ns/a/sa/b']],
  ['*', ['*']],
  ['third/ns/a/sa/b', ['third/ns/a/sa/b']],
])('principal %s is also meant by the other name of its domain', (written, expected) => {
  expect(principalsOf([written], ['old'])).toEqual(expected)
})

test('cluster.local is the own domain, whatever that is called, and without aliases nothing changes', () => {
  useTrustDomain('new.example.com')
  expect(principalsOf(['cluster.local/ns/a/sa/b'], [])).toEqual([
    'cluster.local/ns/a/sa/b',
    'new.example.com/ns/a/sa/b',
  ])
  useTrustDomain('cluster.local')
  const policy = { metadata: {}, spec: { rules: [{}] } } as unknown as AuthorizationPolicy
  expect(withAliases(policy, [])).toBe(policy)
})

test('conditions and negative forms are spelled out, too, and other fields stay', () => {
  const rule = {
    from: [{ source: { notPrincipals: ['old/ns/a/sa/b'], trustDomains: ['old'], namespaces: ['a'] } }],
    to: [{ operation: { paths: ['/x'] } }],
    when: [
      { key: 'source.principal', notValues: ['old/ns/a/sa/b'] },
      { key: 'request.headers[x]', values: ['old/ns/a/sa/b'] },
    ],
  }
  const policy = { metadata: { name: 'x' }, spec: { action: 'DENY', rules: [rule] } } as unknown as AuthorizationPolicy
  const both = ['old/ns/a/sa/b', 'cluster.local/ns/a/sa/b']
  expect(withAliases(policy, ['old'])).toEqual({
    metadata: { name: 'x' },
    spec: {
      action: 'DENY',
      rules: [
        {
          from: [{ source: { notPrincipals: both, trustDomains: ['old', 'cluster.local'], namespaces: ['a'] } }],
          to: rule.to,
          when: [{ key: 'source.principal', notValues: both }, rule.when[1]],
        },
      ],
    },
  })
})

test('identities are known by every name of their domain, others as they are', () => {
  expect(byEveryName([spiffeId('a', 'b'), 'spiffe://third/x'], ['old'])).toEqual([
    'spiffe://cluster.local/ns/a/sa/b',
    'spiffe://old/ns/a/sa/b',
    'spiffe://third/x',
  ])
})
