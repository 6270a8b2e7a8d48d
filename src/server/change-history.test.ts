import { expect, test } from 'vitest'
import { parseYaml } from '../resources/parse.ts'
import { Snapshot } from '../store/snapshot.ts'
import { changesBetween } from './change-history.ts'

const service = (port: number, status = '') => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [{ name: http, port: ${port} }] }
${status}`
const pod = `
---
apiVersion: v1
kind: Pod
metadata: { name: web-0, namespace: shop }
spec: { containers: [] }`

function snapshot(yaml: string): Snapshot {
  return Snapshot.of(parseYaml(yaml, 'shop.yaml').resources)
}

test('tells what people changed, in which fields, and from where', () => {
  const changes = (before: string, now: string) => changesBetween(snapshot(before), snapshot(now), 5)
  const change = { at: 5, kind: 'Service', namespace: 'shop', name: 'web', by: 'shop.yaml' }
  expect(changes('', service(80))).toEqual([{ ...change, how: 'added', fields: [] }])
  expect(changes(service(80), service(81))).toEqual([{ ...change, how: 'changed', fields: ['spec.ports[0].port'] }])
  expect(changes(service(80), '')).toEqual([{ ...change, how: 'removed', fields: [] }])
})

test('tells neither of statuses nor of pods', () => {
  const status = 'status: { loadBalancer: { ingress: [] } }'
  expect(changesBetween(snapshot(service(80)), snapshot(service(80, status) + pod), 5)).toEqual([])
})
