import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { SUPPORTED_FEATURES } from './supported-features.ts'

const read = (name: string) => readFileSync(new URL(`../../../docs/reference/${name}`, import.meta.url), 'utf8')

interface Report {
  readonly profiles: readonly {
    readonly name: string
    readonly core: { readonly result: string }
    readonly extended?: { readonly result: string; readonly supportedFeatures?: readonly string[] }
  }[]
}

/** What every profile is about, and so no report lists. */
const CORE: Readonly<Record<string, readonly string[]>> = {
  'GATEWAY-HTTP': ['Gateway', 'ReferenceGrant', 'HTTPRoute'],
  'GATEWAY-GRPC': ['Gateway', 'ReferenceGrant', 'GRPCRoute'],
  'GATEWAY-TLS': ['Gateway', 'ReferenceGrant', 'TLSRoute'],
  'GATEWAY-TCP': ['Gateway', 'ReferenceGrant', 'TCPRoute'],
  'GATEWAY-UDP': ['Gateway', 'ReferenceGrant', 'UDPRoute'],
}

/** Seen to pass, too, but the suite reports no extended features of GRPCRoutes. */
const UNREPORTED = ['GRPCRouteNamedRouteRule', 'GRPCRouteRequestHeaderModifier']

const MESH_CORE: Readonly<Record<string, readonly string[]>> = { 'MESH-HTTP': ['Mesh'], 'MESH-GRPC': ['Mesh'] }

const gateways = parse(read('gateway-api-conformance.yaml')) as Report
const mesh = parse(read('gateway-api-conformance-mesh.yaml')) as Report

/** Those of the profiles, what these are about included. */
function featuresOf({ profiles }: Report, core: typeof CORE): string[] {
  const seen = profiles.flatMap(({ name, extended }) => [...(core[name] ?? []), ...(extended?.supportedFeatures ?? [])])
  return [...new Set(seen)].sort()
}

test.each([
  ['gateways', gateways, CORE],
  ['the mesh', mesh, MESH_CORE],
])('every profile of %s passed as a whole', (_, { profiles }, core) => {
  expect(profiles.map(({ name }) => name).sort()).toEqual(Object.keys(core).sort())
  for (const { core, extended } of profiles) {
    expect(core.result).toBe('success')
    expect(extended?.result ?? 'success').toBe('success')
  }
})

test('what our GatewayClass claims is what the conformance suite saw, no more and no less', () => {
  expect([...SUPPORTED_FEATURES].sort()).toEqual([...UNREPORTED, ...featuresOf(gateways, CORE)].sort())
})

test('the page of what is supported has a row for each of them, and for those of the mesh', () => {
  const rows = [...read('gateway-api-support.md').matchAll(/^\| `(\w+)` \| yes.* \|$/gm)].map(([, feature]) => feature)
  expect(rows.sort()).toEqual([...SUPPORTED_FEATURES, ...featuresOf(mesh, MESH_CORE)].sort())
})
