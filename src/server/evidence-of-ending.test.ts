import { expect, test } from 'vitest'
import { snapshotOfYaml } from '../mesh/snapshot-of-yaml.ts'
import { SourceState, Store } from '../store/store.ts'
import type { HandedOver, Handing } from '../telemetry/replicas/handing-over.ts'
import { giveEvidenceAway } from './evidence-of-ending.ts'

const server = (name: string, address: string, more = '') => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: weft-system, labels: { app.kubernetes.io/name: weft-server }${more} }
status: { podIP: ${address} }
`

const ROW = { key: 'a', first: 1, last: 2, count: 3, texts: ['x', 'y'] }
const GIVEN: HandedOver = { plaintext: [ROW], refusals: [], calls: [], unrecorded: null }

function ending(yaml: string, takes: (address: string) => boolean) {
  const store = new Store()
  store.apply(new SourceState().replace([...snapshotOfYaml(yaml).resources()]))
  let kept = true
  const telemetry: Handing = {
    evidence: async () => (kept ? GIVEN : { ...GIVEN, plaintext: [] }),
    handedOver: async () => {
      kept = false
    },
    takeOver: async () => {},
  }
  const told: string[] = []
  const tell = async (address: string, port: number, path: string) => {
    told.push(`${address}:${port}${path}`)
    if (!takes(address)) throw new Error('away')
  }
  const lines: string[] = []
  const log = (_: string, line: string) => void lines.push(line)
  const done = giveEvidenceAway(telemetry, {
    ...{ store, namespace: 'weft-system', replica: 'own', replicas: { tell }, log },
  })
  return { done, told, lines, kept: () => kept }
}

test('a server that ends gives its evidence to one that takes it, and asks none that ends as well', async () => {
  const gone = ', deletionTimestamp: "2026-01-01T00:00:00Z"'
  const yaml =
    server('own', '10.0.0.1') + server('a', '10.0.0.2', gone) + server('b', '10.0.0.3') + server('c', '10.0.0.4')
  const { done, told, lines, kept } = ending(yaml, (address) => address === '10.0.0.4')
  await done
  expect(told.filter((each) => each.startsWith('10.0.0.2'))).toEqual([])
  expect(told.at(-1)).toBe('10.0.0.4:15017/evidence')
  expect(kept()).toBe(false)
  expect(lines.at(-1)).toBe('gave what it knew of plaintext, calls and refusals to c: 1 rows')
})

test('what nobody takes stays, and is told', async () => {
  const { done, lines, kept } = ending(server('own', '10.0.0.1') + server('b', '10.0.0.3'), () => false)
  await done
  expect(kept()).toBe(true)
  expect(lines).toEqual(['b does not take the evidence of this server: away'])
})

test('a server that is alone keeps its evidence', async () => {
  const { done, told, kept } = ending(server('own', '10.0.0.1'), () => true)
  await done
  expect([told, kept()]).toEqual([[], true])
})
