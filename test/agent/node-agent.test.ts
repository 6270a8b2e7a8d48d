import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TYPE_URLS } from '../../src/translate/encoded-resource.ts'
import { ClusterNode } from './cluster-node.ts'

let node: ClusterNode

beforeAll(async () => {
  node = await ClusterNode.start()
  node.pod('cart')
  node.pod('web')
  node.pod('far', 'n2')
})
beforeEach(() => {
  node.captured.length = 0
})
afterAll(() => node?.stop())

const { cluster: CLUSTERS, secret: SECRETS } = TYPE_URLS

test('a proxy gets its configuration from the server, and its key from the agent', async () => {
  const proxy = node.proxy('cart', 'cart')
  proxy.send({ typeUrl: CLUSTERS })
  const { resources, nonce } = await proxy.response(CLUSTERS)
  expect(resources.map(({ name }) => name)).toEqual(['c1'])
  expect(node.connected).toEqual(['shop/cart'])
  expect(node.captured).toEqual(['shop/cart'])
  proxy.send({ typeUrl: CLUSTERS, responseNonce: nonce })

  proxy.send({ typeUrl: SECRETS, resourceNamesSubscribe: ['default', 'ROOTCA', 'kubernetes://shop/cert'] })
  const answers = [await proxy.response(SECRETS), await proxy.response(SECRETS)]
  const byOrigin = answers.map((answer) => [
    answer.nonce.startsWith('agent-'),
    answer.resources.map(({ name }) => name).sort(),
  ])
  expect(byOrigin.sort()).toEqual([
    [false, ['kubernetes://shop/cert']],
    [true, ['ROOTCA', 'default']],
  ])
  // Each hears the answer to its own.
  for (const { nonce } of answers) proxy.send({ typeUrl: SECRETS, responseNonce: nonce })
  proxy.close()
})

test('a gRPC library that does what a proxy does gets its configuration, and not that of others', async () => {
  expect(await node.proxyless('cart', 'cart')).toBe(1)
  await expect(node.proxyless('cart', 'web')).rejects.toMatchObject({ code: status.PERMISSION_DENIED })
})

test('a proxy that comes back is not sent what it has, and finds the key that it had', async () => {
  const first = node.proxy('web', 'web')
  first.send({ typeUrl: SECRETS, resourceNamesSubscribe: ['default'] })
  const [held] = (await first.response(SECRETS)).resources
  node.stopServer()
  expect((await first.ended)?.code).toBe(status.UNAVAILABLE)
  await node.startServer()

  const again = node.proxy('web', 'web')
  again.send({ typeUrl: CLUSTERS, initialResourceVersions: { c1: '1' } })
  again.send({
    typeUrl: SECRETS,
    resourceNamesSubscribe: ['default', 'ROOTCA'],
    initialResourceVersions: { default: held?.version ?? '' },
  })
  // Only the other one: the key is the same, though the server was away.
  expect((await again.response(SECRETS)).resources.map(({ name }) => name)).toEqual(['ROOTCA'])
  again.close()
})

test('a proxy that comes while the server is away is kept until it is back', async () => {
  node.stopServer()
  const proxy = node.proxy('web', 'web')
  proxy.send({ typeUrl: CLUSTERS })
  while (node.captured.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await node.startServer()
  expect((await proxy.response(CLUSTERS)).resources).toHaveLength(1)
  proxy.close()
})

test("the root's rotation reaches a proxy stage by stage, and the server hears what the proxy has confirmed", async () => {
  const proxy = node.proxy('cart', 'cart')
  proxy.send({ typeUrl: SECRETS, resourceNamesSubscribe: ['default', 'ROOTCA'] })
  /** Versions by name of what comes next. */
  const next = async () => {
    const { resources, nonce } = await proxy.response(SECRETS)
    return {
      names: resources.map(({ name }) => name).sort(),
      confirm: () => proxy.send({ typeUrl: SECRETS, responseNonce: nonce }),
    }
  }
  const confirmed = (roots: boolean, certificate: boolean) =>
    expect
      .poll(() => node.reported('cart'))
      .toMatchObject({ connected: true, rootsTaken: roots, certificateTaken: certificate })
  const first = await next()
  expect(first.names).toEqual(['ROOTCA', 'default'])
  await confirmed(false, false)
  first.confirm()
  await confirmed(true, true)
  const oldRoot = node.ca.signing.root

  await node.rotate('trust')
  const trust = await next()
  expect(trust.names).toEqual(['ROOTCA'])
  await confirmed(false, true)
  trust.confirm()
  await confirmed(true, true)
  expect(node.reported('cart')?.certificate?.root).toBe(oldRoot)

  await node.rotate('sign')
  const sign = await next()
  expect(sign.names).toEqual(['default'])
  await confirmed(true, false)
  sign.confirm()
  await confirmed(true, true)
  expect(node.ca.signing.root).not.toBe(oldRoot)
  expect(node.reported('cart')?.certificate?.root).toBe(node.ca.signing.root)
  // The agent's own is replaced at a moment of its own choice; before that nobody may stop trusting the old root.
  await expect.poll(() => node.rootOfAgent).toBe(node.ca.signing.root)

  await node.rotate('distrust')
  const distrust = await next()
  expect(distrust.names).toEqual(['ROOTCA'])
  distrust.confirm()
  await confirmed(true, true)
  proxy.close()
  await expect.poll(() => node.reported('cart')).toBeUndefined()
})

describe('a caller is refused, told why, and nothing is done for it:', () => {
  const refusal = async (pod: string, token: string | undefined) => {
    const proxy = node.proxy(pod, token)
    proxy.send({ typeUrl: CLUSTERS })
    const error = await proxy.ended
    expect(node.captured).toEqual([])
    return { code: error?.code, details: error?.details }
  }
  const { UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE } = status
  const refused = (code: status, words: string) => ({ code, details: expect.stringContaining(words) })

  test('without a token', async () => {
    expect(await refusal('cart', undefined)).toEqual(refused(UNAUTHENTICATED, 'show the token of your service account'))
  })

  test('with a token that the API server does not know, as one that has expired', async () => {
    expect(await refusal('cart', 'made-up')).toEqual(refused(UNAUTHENTICATED, 'the token is not valid'))
  })

  test('with a token for another audience', async () => {
    node.tokens.set('for-vault', { username: 'system:serviceaccount:shop:cart', audiences: ['vault'], node: 'n1' })
    expect(await refusal('cart', 'for-vault')).toEqual(refused(UNAUTHENTICATED, 'the token proves nothing'))
  })

  test('with a token that is bound to no pod', async () => {
    node.tokens.set('unbound', { username: 'system:serviceaccount:shop:cart' })
    expect(await refusal('cart', 'unbound')).toEqual(refused(UNAUTHENTICATED, 'is bound to no pod'))
  })

  test('with the token of another pod', async () => {
    const words = 'the token is that of pod shop/web, and the proxy says it is of "cart.shop"'
    expect(await refusal('cart', 'web')).toEqual(refused(PERMISSION_DENIED, words))
  })

  test('with the token of a pod of another node', async () => {
    const words = 'pod shop/far is on node n2, and this is the agent of node n1'
    expect(await refusal('far', 'far')).toEqual(refused(PERMISSION_DENIED, words))
  })

  test('with the token of a pod that is gone, though another of its name is there', async () => {
    const pod = { name: 'cart', uid: 'an-older-one' }
    node.tokens.set('old', { username: 'system:serviceaccount:shop:cart', node: 'n1', pod })
    expect(await refusal('cart', 'old')).toEqual(
      refused(PERMISSION_DENIED, 'pod shop/cart with uid an-older-one is gone'),
    )
  })

  test('with a token that was taken elsewhere', async () => {
    node.nodeAddresses = []
    const words = 'the token is that of pod shop/cart, at 10.0.0.1, and the call comes from 127.'
    expect(await refusal('cart', 'cart')).toEqual(refused(PERMISSION_DENIED, words))
    node.nodeAddresses = ['127.0.0.1']
  })

  test('while the API server cannot be asked; then it is let in', async () => {
    node.apiAway = true
    node.pod('late')
    expect(await refusal('late', 'late')).toEqual(refused(UNAVAILABLE, 'the API server cannot be asked who calls'))
    node.apiAway = false
    const proxy = node.proxy('late', 'late')
    proxy.send({ typeUrl: CLUSTERS })
    expect((await proxy.response(CLUSTERS)).resources).toHaveLength(1)
    proxy.close()
  })
})
