import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { type Cluster, ClusterSchema } from '#envoy/config/cluster/v3/cluster'
import { DiscoveryRequestSchema, DiscoveryResponseSchema } from '#envoy/service/discovery/v3/discovery'
import { PersistentMap } from '../store/persistent-map.ts'
import {
  type EncodedResource,
  encoder,
  type ProxyResources,
  type ResourceType,
  TYPE_URLS,
} from '../translate/encoded-resource.ts'
import { FullStream, readFullRequest } from './full-stream.ts'
import { fullResponseMessage, HEAD } from './response-frame.ts'

const encode = encoder('cluster', ClusterSchema)

/** A resource whose version depends on its content. */
function resource(name: string, content = ''): EncodedResource {
  const message: Cluster = create(ClusterSchema, { name, altStatName: content })
  return encode({ name, message, sources: [] })
}

class Client {
  readonly told: string[] = []
  readonly stream = new FullStream({
    rejected: ({ name }, error) => this.told.push(`rejected ${name}: ${error}`),
    recovered: (_, name) => this.told.push(`recovered ${name}`),
  })
  readonly #nonces = new Map<string, string>()

  there(types: Partial<Record<ResourceType, readonly EncodedResource[]>>): void {
    const layers = Object.entries(types).map(([type, resources]) => [
      type,
      [PersistentMap.from(resources.map((each) => [each.name, each]))],
    ])
    this.stream.retarget(Object.fromEntries(layers) as ProxyResources)
  }

  /** Says what it wants, which takes the last response. */
  ask(type: ResourceType, names: readonly string[], error?: string): void {
    const typeUrl = TYPE_URLS[type]
    const responseNonce = this.#nonces.get(typeUrl) ?? ''
    this.stream.request({
      typeUrl,
      resourceNames: names,
      responseNonce,
      ...(error === undefined ? {} : { errorDetail: { message: error } }),
    })
  }

  /** What comes next, as `TYPE: NAMES`. */
  next(): string | undefined {
    const push = this.stream.next(0)
    if (!push) return undefined
    this.#nonces.set(push.url, push.nonce)
    const type = Object.entries(TYPE_URLS).find(([, url]) => url === push.url)?.[0]
    return `${type}: ${push.resources.map(({ name }) => name).join(' ')}`
  }
}

describe('a state-of-the-world stream', () => {
  test('sends all that was asked for, whenever one of it changes, and nothing where none does', () => {
    const client = new Client()
    client.ask('cluster', ['a', 'b'])
    expect(client.next()).toBeUndefined()
    client.there({ cluster: [resource('a'), resource('b'), resource('c')] })
    expect(client.next()).toBe('cluster: a b')
    client.ask('cluster', ['a', 'b'])
    expect(client.next()).toBeUndefined()
    client.there({ cluster: [resource('a'), resource('b'), resource('c', '2')] })
    expect(client.next()).toBeUndefined()
    client.there({ cluster: [resource('a'), resource('b', '2'), resource('c', '2')] })
    expect(client.next()).toBe('cluster: a b')
    // Not before the last one is answered.
    client.there({ cluster: [resource('a', '2'), resource('b', '2')] })
    expect(client.next()).toBeUndefined()
    client.ask('cluster', ['a', 'b'])
    expect(client.next()).toBe('cluster: a b')
  })

  test('says by silence that a listener or a cluster does not exist, and nothing of routes that do not', () => {
    const client = new Client()
    client.there({})
    client.ask('listener', ['a'])
    expect(client.next()).toBe('listener: ')
    client.ask('listener', ['a'])
    expect(client.next()).toBeUndefined()
    client.ask('routes', ['a'])
    expect(client.next()).toBeUndefined()
  })

  test('takes more names and fewer', () => {
    const client = new Client()
    client.there({ routes: [resource('a'), resource('b')] })
    client.ask('routes', ['a'])
    expect(client.next()).toBe('routes: a')
    client.ask('routes', ['a', 'b'])
    expect(client.next()).toBe('routes: a b')
    client.ask('routes', ['b'])
    expect(client.next()).toBeUndefined()
    client.ask('routes', ['a', 'b'])
    expect(client.next()).toBe('routes: a b')
  })

  test('hears nothing that was said before its last response arrived', () => {
    const client = new Client()
    client.there({ routes: [resource('a'), resource('b')] })
    client.ask('routes', ['a'])
    const late = { typeUrl: TYPE_URLS.routes, resourceNames: ['a', 'b'], responseNonce: '' }
    expect(client.next()).toBe('routes: a')
    client.stream.request(late)
    client.ask('routes', ['a'])
    expect(client.next()).toBeUndefined()
  })

  test('a first request without names is for all clusters, and of routes for none', () => {
    const client = new Client()
    client.there({ cluster: [resource('a'), resource('b')], routes: [resource('r')] })
    client.ask('cluster', [])
    client.ask('routes', [])
    expect(client.next()).toBe('cluster: a b')
    expect(client.next()).toBeUndefined()
    client.ask('cluster', [])
    client.there({ cluster: [resource('a')], routes: [resource('r')] })
    expect(client.next()).toBe('cluster: a')
  })

  test('what was refused is told once and not sent again; beside it goes what was good before', () => {
    const client = new Client()
    client.there({ routes: [resource('a'), resource('b')] })
    client.ask('routes', ['a', 'b'])
    client.next()
    client.ask('routes', ['a', 'b'])
    client.there({ routes: [resource('a', 'bad'), resource('b', '2')] })
    expect(client.next()).toBe('routes: a b')
    client.ask('routes', ['a', 'b'], 'resource "a" is bad')
    expect(client.told).toEqual(['rejected a: resource "a" is bad'])
    expect(client.next()).toBeUndefined()
    const [status] = client.stream.types(() => ({
      counts: { responses: 2, resources: 4, removed: 0, bytes: 0, acks: 1, nacks: 1 },
      lastAck: undefined,
    }))
    expect(status).toMatchObject({ type: 'routes', state: 'rejected', resources: 2, pending: 1 })
    client.there({ routes: [resource('a', 'good'), resource('b', '2')] })
    expect(client.next()).toBe('routes: a b')
    client.ask('routes', ['a', 'b'])
    expect(client.told).toEqual(['rejected a: resource "a" is bad', 'recovered a'])
  })

  test('a cluster goes only after what led to it', () => {
    const client = new Client()
    client.there({ cluster: [resource('a'), resource('b')], routes: [resource('r')] })
    client.ask('routes', ['r'])
    client.next()
    client.ask('routes', ['r'])
    client.ask('cluster', ['a'])
    client.next()
    client.ask('cluster', ['a'])
    client.there({ cluster: [resource('b')], routes: [resource('r', 'to b')] })
    expect(client.next()).toBe('routes: r')
    expect(client.next()).toBeUndefined()
    client.ask('routes', ['r'])
    expect(client.next()).toBe('cluster: ')
  })
})

test('requests are read, and responses written, as the generated code has it', () => {
  const request = create(DiscoveryRequestSchema, {
    node: { id: 'sidecar~a' },
    typeUrl: 't',
    resourceNames: ['a'],
    responseNonce: '1',
    errorDetail: { code: 3, message: 'no' },
  })
  const read = readFullRequest(toBinary(DiscoveryRequestSchema, request))
  expect(read).toMatchObject({ typeUrl: 't', resourceNames: ['a'], responseNonce: '1', errorDetail: { message: 'no' } })
  expect(read.node?.length).toBeGreaterThan(0)

  const resources = [resource('a'), resource('b')]
  const push = { url: TYPE_URLS.cluster, nonce: '2', version: 'v', resources, removed: [] }
  const message = Buffer.concat(fullResponseMessage(push))
  expect(message.readUInt32BE(1)).toBe(message.length - HEAD)
  const written = fromBinary(DiscoveryResponseSchema, message.subarray(HEAD))
  expect(written).toMatchObject({ versionInfo: 'v', typeUrl: TYPE_URLS.cluster, nonce: '2' })
  expect(written.resources.map(({ value }) => fromBinary(ClusterSchema, value).name)).toEqual(['a', 'b'])
})
