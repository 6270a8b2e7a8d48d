import { expect, test } from 'vitest'
import { type Control, controls } from './controls.ts'
import type { AuditFacts } from './facts.ts'

const WORKLOAD = {
  namespace: 'a',
  workload: 'b',
  ports: [{ port: 80, mtls: 'STRICT' as const }],
  lastPlaintext: null,
  policies: 1,
}
const EDGE = { source: 'a/c', destination: 'a/b', protocol: 'http', calls: 10, mutualTls: 1 }
const FACTS: AuditFacts = {
  from: 0,
  to: 1000,
  recordedSince: 1,
  edges: [EDGE],
  workloads: [WORKLOAD],
  policies: [],
  certificates: { count: 2, keys: { 'EC P-256': 2 }, longestLife: 3_600_000, selfMadeRoot: false },
  transport: { minimumVersion: 'TLS 1.3', cipherSuites: [] },
  refusals: [],
  refusedCalls: 3,
}

function standings(facts: Partial<AuditFacts>, asks: RegExp): string[] {
  return controls({ ...FACTS, ...facts })
    .filter((control: Control) => asks.test(control.asks))
    .map(({ standing }) => standing)
}

test('all holds where all was seen to', () => {
  expect(new Set(controls(FACTS).map(({ standing }) => standing))).toEqual(new Set(['holds']))
})

test('what was not observed is called so', () => {
  const nothing = {
    recordedSince: null,
    edges: [],
    workloads: [],
    certificates: { count: 0, keys: {}, longestLife: null, selfMadeRoot: null },
    refusedCalls: 0,
  }
  expect(standings(nothing, /encrypt|Encrypt|policy|renewed|prove|recorded|inventory/)).toEqual(
    Array.from({ length: 7 }, () => 'not observed'),
  )
})

test('plaintext that was seen, or would be taken, keeps it from holding', () => {
  expect(standings({ edges: [EDGE, { ...EDGE, mutualTls: 0.5 }] }, /mutual TLS/)).toEqual(['holds in part'])
  expect(standings({ edges: [{ ...EDGE, mutualTls: 0 }] }, /mutual TLS/)).toEqual(['does not hold'])
  const permissive = { ...WORKLOAD, ports: [{ port: 80, mtls: 'PERMISSIVE' as const }] }
  expect(standings({ workloads: [permissive] }, /mutual TLS/)).toEqual(['holds in part'])
  expect(standings({ edges: [EDGE, { ...EDGE, mutualTls: null }] }, /mutual TLS/)).toEqual(['holds in part'])
})

test('workloads without a policy are named', () => {
  const [control] = controls({
    ...FACTS,
    workloads: [WORKLOAD, { ...WORKLOAD, workload: 'open', policies: 0 }],
  }).filter(({ asks }) => /says who may call/.test(asks))
  expect(control).toMatchObject({ standing: 'holds in part', evidence: expect.stringContaining('without: a/open') })
})

test('a root of its own and long lives do not pass', () => {
  const { certificates } = FACTS
  expect(standings({ certificates: { ...certificates, selfMadeRoot: true } }, /prove/)).toEqual(['holds in part'])
  expect(standings({ certificates: { ...certificates, longestLife: 90 * 86_400_000 } }, /renewed/)).toEqual([
    'does not hold',
  ])
})
