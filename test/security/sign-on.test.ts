// People sign on at a gateway: Envoy's OAuth2 filter against a real OpenID provider, and policies about who they are.
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import Provider from 'oidc-provider'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freeLoopback } from '../identity/loopback.ts'
import { eventually, MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
import { httpApplication, testPod } from '../translate/test-pods.ts'
import { Browser, type Page } from './browser.ts'

let mesh: MeshOfEnvoys
let gateway: string
let issuer: string
let provider: Server
let stop: () => void

const SECRET = 'a secret of the client and the provider'

beforeAll(async () => {
  gateway = await freeLoopback()
  const host = await freeLoopback()
  issuer = `http://${host}:8080`
  provider = await openIdProvider(host)
  mesh = await MeshOfEnvoys.start()
  const web = await testPod({ name: 'web-0', labels: { app: 'web' }, serves: { web: { http: 8080 } } })
  stop = await httpApplication(web, 8080)
  mesh.apply(SERVICES, gatewayPod(gateway), web.yaml, signOn(host))
  await mesh.startProxies()
  await eventually('the gateway to ask who it is', async () => (await new Browser().open(at('/'), 0)).status === 302)
  await eventually('tokens to be looked at', async () => {
    const { status } = await new Browser({ IdToken: 'no.such.token' }).open(at('/public'), 0)
    return status === 401
  })
})
afterAll(async () => {
  stop?.()
  provider?.close()
  provider?.closeAllConnections()
  await mesh?.stop()
})

const at = (path: string) => `http://${gateway}:8080${path}`

async function openIdProvider(host: string): Promise<Server> {
  const accounts = new Provider(issuer, {
    clients: [{ client_id: 'shop', client_secret: SECRET, redirect_uris: [at('/callback')] }],
    // Signs everybody on as whom they say they are: a page to log in, and one to agree, both of one button.
    features: { devInteractions: { enabled: true } },
    claims: { openid: ['sub'], email: ['email'] },
    conformIdTokenClaims: false,
    pkce: { required: () => false },
    cookies: { keys: ['a key for cookies of the provider'] },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com` }) }),
  })
  const server = createServer(accounts.callback())
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(8080, host, resolve))
  return server
}

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public }
spec:
  selector: { istio: ingressgateway }
  servers: [{ hosts: ["*"], port: { number: 8080, name: http, protocol: HTTP } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: ["*"], gateways: [public], http: [{ route: [{ destination: { host: web, port: { number: 80 } } }] }] }
`

function gatewayPod(address: string): string {
  const annotations = { 'weft.dev/app-address': address, 'weft.dev/http-proxy-port': '15001' }
  const labels = { 'weft.dev/proxy-role': 'gateway', istio: 'ingressgateway' }
  const metadata = { name: 'gateway-0', labels, annotations }
  const spec = { serviceAccountName: 'gateway', containers: [{ name: 'proxy', image: 'proxy' }] }
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec, status: { podIP: address, phase: 'Running' } })
}

/** As docs/operations/sign-on.md has it. */
function signOn(host: string): string {
  const secret = (name: string, value: string) => {
    const file = join(mesh.folder, `${name}.json`)
    const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
    writeFileSync(
      file,
      JSON.stringify({ resources: [{ '@type': type, name, generic_secret: { secret: { inline_string: value } } }] }),
    )
    return `{ name: ${name}, sds_config: { path_config_source: { path: ${file} } } }`
  }
  return `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: sign-on }
spec:
  workloadSelector: { labels: { istio: ingressgateway } }
  configPatches:
    - applyTo: CLUSTER
      match: { context: GATEWAY }
      patch:
        operation: ADD
        value:
          name: sign-on
          type: STRICT_DNS
          connect_timeout: 5s
          load_assignment:
            cluster_name: sign-on
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: ${host}, port_value: 8080 } } } }] }]
    - applyTo: HTTP_FILTER
      match: { context: GATEWAY, listener: { filterChain: { filter: { name: envoy.filters.network.http_connection_manager } } } }
      patch:
        operation: INSERT_FIRST
        value:
          name: envoy.filters.http.oauth2
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2
            config:
              token_endpoint: { cluster: sign-on, uri: "${issuer}/token", timeout: 5s }
              authorization_endpoint: "${issuer}/auth"
              redirect_uri: "http://%REQ(:authority)%/callback"
              redirect_path_matcher: { path: { exact: /callback } }
              signout_path: { path: { exact: /signout } }
              auth_scopes: [openid, email]
              auth_type: BASIC_AUTH
              forward_bearer_token: true
              preserve_authorization_header: false
              pass_through_matcher: [{ name: ":path", string_match: { prefix: /public } }]
              credentials:
                client_id: shop
                token_secret: ${secret('token', SECRET)}
                hmac_secret: ${secret('hmac', 'what cookies are signed with')}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: sign-on }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  jwtRules: [{ issuer: "${issuer}", jwksUri: "${issuer}/jwks", fromCookies: [IdToken], forwardOriginalToken: true, outputClaimToHeaders: [{ header: x-user, claim: email }] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: sign-on }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  rules:
    - to: [{ operation: { paths: [/public*] } }]
    - from: [{ source: { requestPrincipals: ["${issuer}/*"] } }]
      when: [{ key: "request.auth.claims[email]", values: ["*@example.com"] }]
      to: [{ operation: { notPaths: [/admin*] } }]
    - when: [{ key: "request.auth.claims[sub]", values: [root] }]
`
}

/** Goes through the pages of the provider as somebody. */
async function signedOn(browser: Browser, who: string, path = '/basket?item=1'): Promise<Page> {
  const login = await browser.open(at(path))
  const agree = await browser.submit(login, { login: who, password: 'any' })
  return browser.submit(agree, {})
}

test('who is not signed on is sent to the provider, and back to where he was going', async () => {
  const browser = new Browser()
  const first = await browser.open(at('/basket?item=1'), 0)
  expect(first.status).toBe(302)
  expect(first.location).toMatch(new RegExp(`^${issuer}/auth\\?client_id=shop&`))
  const page = await signedOn(browser, 'ann')
  expect([page.status, new URL(page.url).pathname]).toEqual([200, '/basket'])
  const seen = JSON.parse(page.text) as { path: string; headers: Record<string, string> }
  expect(seen.path).toBe('/basket?item=1')
  // The application is told who it is: by a claim, and by the token.
  expect(seen.headers['x-user']).toBe('ann@example.com')
  expect(seen.headers['authorization']).toMatch(/^Bearer \S+/)
})

test('policies hold for who has signed on', async () => {
  const [ann, root] = [new Browser(), new Browser()]
  await signedOn(ann, 'ann')
  await signedOn(root, 'root')
  const statuses = async (browser: Browser) => [
    (await browser.open(at('/orders'), 0)).status,
    (await browser.open(at('/admin'), 0)).status,
  ]
  expect(await statuses(ann)).toEqual([200, 403])
  expect(await statuses(root)).toEqual([200, 200])
})

test('what is public is so without, and claims of others do not come through', async () => {
  const browser = new Browser()
  const page = await browser.open(at('/public'), 0, { 'x-user': 'root@example.com', authorization: 'Bearer forged' })
  expect(page.status).toBe(200)
  expect((JSON.parse(page.text) as { headers: Record<string, string> }).headers['x-user']).toBeUndefined()
})

test('forged cookies sign nobody on, nor a code that the provider did not give', async () => {
  const ann = new Browser()
  await signedOn(ann, 'ann')
  const { IdToken = '', OauthHMAC = '', OauthExpires = '' } = ann.cookies(gateway)
  expect([IdToken, OauthHMAC, OauthExpires].every(Boolean)).toBe(true)
  const sentAway = async (cookies: Record<string, string>) => (await new Browser(cookies).open(at('/'), 0)).status
  expect(await sentAway({ ...ann.cookies(gateway), OauthHMAC: `${OauthHMAC.slice(0, -6)}AAAAA=` })).toBe(302)
  expect(await sentAway({ ...ann.cookies(gateway), OauthExpires: '9999999999' })).toBe(302)
  expect(await sentAway({ ...ann.cookies(gateway), IdToken: `${IdToken}x` })).toBe(302)
  expect((await new Browser().open(at('/callback?code=forged&state=forged'), 0)).status).toBe(401)
})

test('who signs out has to sign on again', async () => {
  const ann = new Browser()
  await signedOn(ann, 'ann')
  await ann.open(at('/signout'), 0)
  expect(ann.cookies(gateway)['IdToken'] ?? '').toBe('')
  expect((await ann.open(at('/'), 0)).status).toBe(302)
  expect(mesh.nacks).toEqual([])
})
