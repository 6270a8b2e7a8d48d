import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { apiVersionOf, KINDS, kindNameLike, kindOf, kindsNamed } from './kinds.ts'

interface Published {
  spec: {
    group: string
    scope: string
    names: { kind: string; plural: string; shortNames?: string[] }
    versions: { name: string; served: boolean; schema: object }[]
  }
}

function published(): Published['spec'][] {
  return [
    'vendor/istio.yaml',
    'vendor/gateway-api.yaml',
    'weft/adoption.yaml',
    'weft/observability.yaml',
    'weft/security.yaml',
  ].flatMap((name) => {
    const text = readFileSync(join(import.meta.dirname, name), 'utf8')
    return parseAllDocuments(text).map((document) => (document.toJS() as Published).spec)
  })
}

describe('the registry', () => {
  test('names every published kind as it is published, and no other', () => {
    const ours = Object.values(KINDS).filter(({ group }) => /istio\.io|weft\.dev|^gateway\./.test(group))
    const show = (row: {
      group: string
      kind: string
      plural: string
      shortNames: readonly string[]
      versions: readonly string[]
      namespaced: boolean
    }) =>
      [row.group, row.kind, row.plural, row.shortNames.join(), row.versions.toSorted().join(), row.namespaced].join(' ')
    const theirs = published().map(({ group, names, scope, versions }) => ({
      group,
      kind: names.kind,
      plural: names.plural,
      shortNames: names.shortNames ?? [],
      versions: versions.filter((version) => version.served).map((version) => version.name),
      namespaced: scope === 'Namespaced',
    }))
    expect(ours.map(show).toSorted()).toEqual(theirs.map(show).toSorted())
  })

  test('takes every served version of a kind and no other', () => {
    expect(kindOf('networking.istio.io/v1alpha3', 'VirtualService')?.id).toBe('networking.istio.io/VirtualService')
    expect(kindOf('v1', 'Service')?.id).toBe('core/Service')
    expect(kindOf('networking.istio.io/v2', 'VirtualService')).toBeUndefined()
    expect(kindOf('gateway.networking.k8s.io/v1', 'VirtualService')).toBeUndefined()
  })

  test('tells the two Gateways apart', () => {
    expect(kindOf('networking.istio.io/v1', 'Gateway')?.id).toBe('networking.istio.io/Gateway')
    expect(kindOf('gateway.networking.k8s.io/v1', 'Gateway')?.id).toBe('gateway.networking.k8s.io/Gateway')
  })

  test('writes the apiVersion that it prefers', () => {
    expect(apiVersionOf(KINDS['core/Service'])).toBe('v1')
    expect(apiVersionOf(KINDS['telemetry.istio.io/Telemetry'])).toBe('telemetry.istio.io/v1')
  })
})

describe('what people call kinds', () => {
  const named = (name: string) => kindsNamed(name).map(({ id }) => id)

  test.each(['vs', 'virtualservice', 'VirtualServices', 'VirtualService', 'vs.networking.istio.io'])('%s', (name) => {
    expect(named(name)).toEqual(['networking.istio.io/VirtualService'])
  })

  test('gateway is ambiguous, and is not with its group', () => {
    expect(named('gateway')).toEqual(['networking.istio.io/Gateway', 'gateway.networking.k8s.io/Gateway'])
    expect(named('gateways.gateway.networking.k8s.io')).toEqual(['gateway.networking.k8s.io/Gateway'])
    expect(named('gw')).toEqual(['networking.istio.io/Gateway'])
  })

  test('a slip is recognized, anything else is not', () => {
    expect(named('virtualservces')).toEqual([])
    expect(kindNameLike('virtualservces')).toBe('virtualservices')
    expect(kindNameLike('deploymet')).toBe('deployment')
    expect(kindNameLike('banana')).toBeUndefined()
  })
})
