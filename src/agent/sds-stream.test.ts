import { EventEmitter } from 'node:events'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '#envoy/service/discovery/v3/discovery'
import type { ServedSecret } from './sds-secrets.ts'
import { type Push, type SdsCall, type Secrets, serveDeltaStream, serveFullStream } from './sds-stream.ts'

const secret = (version: string): ServedSecret => ({ version, resource: create(AnySchema, { typeUrl: version }) })
const secrets = (workload: string, roots: string) =>
  new Map([
    ['default', secret(workload)],
    ['ROOTCA', secret(roots)],
  ])

/** The server's end of a stream. */
class FakeCall<Request, Response> extends EventEmitter<{ data: [Request] }> implements SdsCall<Request, Response> {
  readonly sent: Response[] = []
  write(response: Response): boolean {
    this.sent.push(response)
    return true
  }
}

let current: Secrets
let said: string[]
const log = (severity: string, text: string) => said.push(`${severity}: ${text}`)
beforeEach(() => {
  current = secrets('w1', 'r1')
  said = []
})

describe('a delta stream', () => {
  let call: FakeCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>
  let push: Push
  beforeEach(() => {
    call = new FakeCall()
    push = serveDeltaStream(call, () => current, log)
  })
  const request = (message: MessageInitShape<typeof DeltaDiscoveryRequestSchema>) =>
    call.emit('data', create(DeltaDiscoveryRequestSchema, message))
  const sent = () => call.sent.map(({ resources }) => resources.map(({ name, version }) => `${name} ${version}`))

  test('sends what is subscribed to, and then only what changes', () => {
    request({ resourceNamesSubscribe: ['default'] })
    request({ resourceNamesSubscribe: ['ROOTCA'] })
    request({ responseNonce: '1' })
    push()
    expect(sent()).toEqual([['default w1'], ['ROOTCA r1']])
    current = secrets('w2', 'r1')
    push()
    expect(sent().slice(2)).toEqual([['default w2']])
    expect(call.sent.map(({ nonce }) => nonce)).toEqual(['1', '2', '3'])
    expect(call.sent[0]?.resources[0]?.resource?.typeUrl).toBe('w1')
    expect(call.sent[0]?.typeUrl).toBe('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret')
  })

  test('sends nothing before there is a certificate', () => {
    current = undefined
    request({ resourceNamesSubscribe: ['default', 'ROOTCA'] })
    expect(sent()).toEqual([])
    current = secrets('w1', 'r1')
    push()
    expect(sent()).toEqual([['default w1', 'ROOTCA r1']])
  })

  test('does not repeat, after a reconnect, what Envoy still has', () => {
    request({ resourceNamesSubscribe: ['default', 'ROOTCA'], initialResourceVersions: { default: 'w0', ROOTCA: 'r1' } })
    expect(sent()).toEqual([['default w1']])
  })

  test('sends again what is subscribed to again', () => {
    request({ resourceNamesSubscribe: ['default'] })
    request({ resourceNamesUnsubscribe: ['default'] })
    current = secrets('w2', 'r1')
    push()
    request({ resourceNamesSubscribe: ['default'] })
    request({ resourceNamesSubscribe: ['default'] })
    expect(sent()).toEqual([['default w1'], ['default w2'], ['default w2']])
  })

  test('says once that a secret does not exist', () => {
    request({ resourceNamesSubscribe: ['default', 'kubernetes://mine'] })
    push()
    expect(call.sent).toHaveLength(1)
    expect(call.sent[0]?.removedResources).toEqual(['kubernetes://mine'])
    expect(said).toEqual(['warning: Envoy asks for the secret "kubernetes://mine"; there are default and ROOTCA'])
  })

  test('logs a refusal and does not send the same again', () => {
    request({ resourceNamesSubscribe: ['default'] })
    request({ node: { id: 'reviews-v1' }, responseNonce: '1', errorDetail: { code: 13, message: 'bad key' } })
    expect(sent()).toHaveLength(1)
    expect(said).toEqual(['error: Envoy reviews-v1 refused a secret, and keeps the one before: bad key'])
  })
})

describe('a state-of-the-world stream', () => {
  let call: FakeCall<DiscoveryRequest, DiscoveryResponse>
  let push: Push
  beforeEach(() => {
    call = new FakeCall()
    push = serveFullStream(call, () => current, log)
  })
  const request = (message: MessageInitShape<typeof DiscoveryRequestSchema>) =>
    call.emit('data', create(DiscoveryRequestSchema, message))
  const sent = () => call.sent.map(({ resources }) => resources.map(({ typeUrl }) => typeUrl))

  test('sends what is named, and all of it when something changes', () => {
    request({ resourceNames: ['default', 'ROOTCA'] })
    request({ resourceNames: ['default', 'ROOTCA'], responseNonce: '1', versionInfo: 'w1+r1' })
    push()
    expect(sent()).toEqual([['w1', 'r1']])
    current = secrets('w2', 'r1')
    push()
    expect(sent().slice(1)).toEqual([['w2', 'r1']])
    expect(call.sent.map(({ nonce, versionInfo }) => [nonce, versionInfo])).toEqual([
      ['1', 'w1+r1'],
      ['2', 'w2+r1'],
    ])
  })

  test('sends when more is named, and passes over the answer to what a newer response replaced', () => {
    request({ resourceNames: ['ROOTCA'] })
    request({ resourceNames: ['ROOTCA', 'default'], responseNonce: '1' })
    request({ resourceNames: ['ROOTCA'], responseNonce: '1' })
    expect(sent()).toEqual([['r1'], ['r1', 'w1']])
    current = secrets('w2', 'r1')
    push()
    expect(sent().slice(2)).toEqual([['r1', 'w2']])
  })

  test('sends nothing before there is a certificate, nor for unknown names', () => {
    current = undefined
    request({ resourceNames: ['default'] })
    expect(sent()).toEqual([])
    current = secrets('w1', 'r1')
    push()
    request({ resourceNames: ['other'], responseNonce: '1', errorDetail: { message: 'bad' } })
    expect(sent()).toEqual([['w1']])
    expect(said).toHaveLength(2)
  })
})
