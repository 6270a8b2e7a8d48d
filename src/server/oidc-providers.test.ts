import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type KnownProviders, knownProviders } from '../mesh/sign-on/known-providers.ts'
import { parseYaml } from '../resources/parse.ts'
import type { ProviderMetadata } from '../sources/oidc/provider-metadata.ts'
import { Store } from '../store/store.ts'
import { followOidcProviders } from './oidc-providers.ts'

const ISSUER = 'https://id.example.com'
const FOUND: ProviderMetadata = { authorization: 'https://a', token: 'https://t', jwks: 'https://j', basic: true }

function policy(provider: object) {
  const spec = { provider, clientID: 'shop', clientSecret: { name: 'shop' } }
  const object = { apiVersion: 'security.weft.dev/v1alpha1', kind: 'OIDCPolicy', metadata: { name: 'shop' }, spec }
  const { resources, messages } = parseYaml(JSON.stringify(object), 'test.yaml')
  expect(messages).toEqual([])
  return resources.map((put) => ({ put }))
}

/** A server that asks providers who answer what `answers` gives next. */
async function following(remembered: KnownProviders, ...answers: readonly (ProviderMetadata | Error)[]) {
  vi.useFakeTimers()
  const closing = new AbortController()
  onTestFinished(() => {
    closing.abort()
    vi.useRealTimers()
  })
  const store = new Store()
  const asked: string[] = []
  const written: KnownProviders[] = []
  const told: string[] = []
  store.apply(policy({ issuer: ISSUER }))
  await followOidcProviders({
    store,
    memory: { read: async () => remembered, write: async (known) => void written.push(known) },
    log: (_, text) => told.push(text),
    signal: closing.signal,
    ask: async (issuer) => {
      const answer = answers[asked.push(issuer) - 1] ?? FOUND
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  await vi.advanceTimersByTimeAsync(0)
  return { store, asked, written, told, known: () => knownProviders(store.snapshot) }
}

describe('a provider', () => {
  test('is asked once, remembered, and asked again after an hour', async () => {
    const { asked, written, known } = await following({})
    expect(known()).toEqual({ [ISSUER]: FOUND })
    expect(written).toEqual([{ [ISSUER]: FOUND }])
    await vi.advanceTimersByTimeAsync(3_599_000)
    expect(asked).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(2000)
    expect(asked).toHaveLength(2)
  })

  test('that does not answer is asked again, less and less often, and told of once', async () => {
    const { asked, told, known } = await following({}, new Error('is away'), new Error('is away'), FOUND)
    expect(known()).toEqual({ [ISSUER]: { problem: 'is away' } })
    await vi.advanceTimersByTimeAsync(1000)
    expect(asked).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1000)
    expect(asked).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1000)
    expect(known()).toEqual({ [ISSUER]: FOUND })
    expect(told).toEqual([`OpenID provider ${ISSUER} is away`])
  })

  test('that is away while a server starts is known by what was remembered', async () => {
    const { known, written } = await following(
      { [ISSUER]: FOUND, 'https://gone.example.com': FOUND },
      new Error('is away'),
    )
    expect(known()).toEqual({ [ISSUER]: FOUND })
    expect(written.at(-1)).toEqual({ [ISSUER]: FOUND })
  })

  test('of which all is written down is not asked, nor one that no policy names any more', async () => {
    const { store, asked, known } = await following({})
    const all = { authorizationEndpoint: 'https://a', tokenEndpoint: 'https://t', jwksURI: 'https://j' }
    store.apply(policy({ issuer: ISSUER, ...all }))
    await vi.advanceTimersByTimeAsync(7_200_000)
    expect(asked).toHaveLength(1)
    expect(known()).toEqual({})
  })
})
