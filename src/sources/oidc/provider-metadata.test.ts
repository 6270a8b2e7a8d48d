import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { metadataIn, readProviderMetadata } from './provider-metadata.ts'

const ISSUER = 'https://id.example.com'
const DOCUMENT = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/auth`,
  token_endpoint: `${ISSUER}/token`,
  jwks_uri: `${ISSUER}/jwks`,
}

function problem(changes: object): string {
  try {
    metadataIn(JSON.stringify({ ...DOCUMENT, ...changes }), ISSUER)
  } catch (error) {
    return (error as Error).message
  }
  return 'none'
}

test('endpoints are what the provider says, and how it takes the secret', () => {
  const endpoints = { authorization: `${ISSUER}/auth`, token: `${ISSUER}/token`, jwks: `${ISSUER}/jwks` }
  expect(metadataIn(JSON.stringify(DOCUMENT), ISSUER)).toEqual({ ...endpoints, basic: true })
  const more = { token_endpoint_auth_methods_supported: ['client_secret_post'], end_session_endpoint: `${ISSUER}/end` }
  expect(metadataIn(JSON.stringify({ ...DOCUMENT, ...more }), ISSUER)).toEqual({
    ...endpoints,
    endSession: `${ISSUER}/end`,
    basic: false,
  })
})

test('what cannot be believed is not', () => {
  expect(problem({ issuer: 'https://evil.example.com' })).toMatch('another issuer')
  expect(problem({ token_endpoint: undefined })).toBe('does not say what its token_endpoint is')
  expect(problem({ jwks_uri: 'file:///etc/passwd' })).toBe('has no URL as jwks_uri')
  expect(problem({ end_session_endpoint: 7 })).toBe('has no URL as end_session_endpoint')
  expect(() => metadataIn('<html>', ISSUER)).toThrow('something else than JSON')
})

async function asked(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    await readProviderMetadata(issuer, new AbortController().signal)
    return 'none'
  } catch (error) {
    return (error as Error).message
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

test('a server is not led elsewhere, nor filled up', async () => {
  expect(await asked((_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end())).toMatch(
    'cannot be reached',
  )
  expect(await asked((_, response) => response.writeHead(500).end())).toMatch('answers 500')
  expect(await asked((_, response) => response.end('x'.repeat(300_000)))).toMatch('too much')
})
