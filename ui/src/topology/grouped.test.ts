import { expect, test } from 'vitest'
import type { GraphAnswer, GraphEdge, GraphNode } from '../../../src/telemetry/questions/graph.ts'
import type { GoldenSignals } from '../../../src/telemetry/questions/signals.ts'
import { grouped } from './grouped.ts'

const signals = (requests: number, errors = 0, p99: number | null = 10): GoldenSignals => ({
  requests,
  errors,
  requestRate: requests / 10,
  errorShare: errors / (requests || 1),
  p50: p99,
  p90: p99,
  p99,
  meanDuration: p99,
  saturated: 0,
  connections: 0,
  failedConnections: 0,
  receivedBytes: 0,
  sentBytes: 0,
})

const node = (name: string, namespace: string, app = name): GraphNode => ({
  id: `workload ${namespace}/${name}`,
  kind: 'workload',
  name,
  namespace,
  app,
  version: 'v1',
  cluster: 'c',
  asked: signals(10),
})

const edge = (from: GraphNode, to: GraphNode, more: Partial<GraphEdge> = {}): GraphEdge => ({
  id: `${from.id} ${to.id}`,
  source: from.id,
  destination: to.id,
  service: `${to.app}.${to.namespace}.svc.cluster.local`,
  protocol: 'http',
  signals: signals(100),
  mutualTls: 1,
  securityPolicy: 'mutual_tls',
  trafficShare: 1,
  health: 'good',
  flags: [],
  ...more,
})

const [web, v1, v2, db] = [node('web', 'a'), node('api-v1', 'b', 'api'), node('api-v2', 'b', 'api'), node('db', 'b')]
const graph: GraphAnswer = {
  from: 0,
  to: 1,
  nodes: [web, v1, v2, db],
  edges: [
    edge(web, v1, { trafficShare: 0.75, signals: signals(300, 0, 20) }),
    edge(web, v2, {
      trafficShare: 0.25,
      signals: signals(100, 10, 50),
      mutualTls: 0,
      health: 'failing',
      flags: [{ flags: 'UF', count: 10 }],
    }),
    edge(v1, db, { mutualTls: null, protocol: 'tcp' }),
  ],
}

test('by workload all is as it was told', () => {
  const { nodes, edges } = grouped(graph, 'workload')
  expect(nodes.map(({ title }) => title)).toEqual(['web', 'api-v1', 'api-v2', 'db'])
  expect(edges).toHaveLength(3)
  expect(nodes.map(({ health }) => health)).toEqual(['idle', 'good', 'failing', 'good'])
})

test('edges between groups add up, and what is grave stays so', () => {
  const { nodes, edges } = grouped(graph, 'app')
  expect(nodes.map(({ title, health }) => [title, health])).toEqual([
    ['web', 'idle'],
    ['api', 'failing'],
    ['db', 'good'],
  ])
  const [toApi, toDb] = edges
  expect(toApi).toMatchObject({ requestRate: 40, errorShare: 0.025, p99: 50, mutualTls: 0.75, share: 1, flags: ['UF'] })
  expect(toDb).toMatchObject({ mutualTls: null, protocols: ['tcp'] })
})

test('what fails comes first, and who was called but never reached is told from who is outside', () => {
  const service = (name: string): GraphNode => ({ ...node(name, ''), id: `service ${name}`, kind: 'service' })
  const [inside, outside] = [service('api.b.svc.cluster.local'), service('example.org')]
  const { nodes, edges } = grouped(
    { ...graph, nodes: [web, inside, outside], edges: [edge(web, outside), edge(web, inside, { health: 'failing' })] },
    'workload',
  )
  expect(edges.map(({ health }) => health)).toEqual(['failing', 'good'])
  expect(nodes.map(({ title, detail }) => [title, detail])).toEqual([
    ['web', 'a · v1'],
    ['api.b', 'came to no workload'],
    ['example.org', 'outside the mesh'],
  ])
})

test('what happens within a group is no edge', () => {
  expect(grouped(graph, 'namespace').edges.map(({ source, target }) => [source, target])).toEqual([
    ['namespace a', 'namespace b'],
  ])
  expect(grouped(graph, 'cluster').edges).toEqual([])
})

test('clients that nobody knows are one node', () => {
  const stranger: GraphNode = { ...node('', ''), id: 'unknown', kind: 'unknown' }
  const { nodes } = grouped({ ...graph, nodes: [stranger, web], edges: [edge(stranger, web)] }, 'namespace')
  expect(nodes.map(({ title }) => title)).toEqual(['unknown clients', 'a'])
})
