// People sign on at a gateway by an OIDCPolicy, with a real OpenID provider, and policies say who may do what.
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import Provider from 'oidc-provider'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownProvidersMap } from '../../src/mesh/sign-on/known-providers.ts'
import { readProviderMetadata } from '../../src/sources/oidc/provider-metadata.ts'
import { cookieNames } from '../../src/translate/sign-on/cookie-names.ts'
import { eventually } from '../eventually.ts'
import { freeLoopback } from '../identity/loopback.ts'
import { gatewayPod } from '../translate/gateway-pod.ts'
import { MeshOfEnvoys } from '../translate/mesh-of-envoys.ts'
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
  const labels = { istio: 'ingressgateway', 'gateway.networking.k8s.io/gateway-name': 'staff' }
  mesh.apply(SERVICES, gatewayPod({ name: 'gateway', address: gateway, labels }), web.yaml, SIGN_ON(issuer))
  await mesh.startProxies()
  // It is not known yet where people could sign on.
  await eventually('nobody to get in', async () => (await new Browser().open(at('/'), 0)).status === 403)
  const known = { [issuer]: await readProviderMetadata(issuer, AbortSignal.timeout(30_000)) }
  mesh.apply(JSON.stringify(knownProvidersMap(known)))
  await eventually('the gateway to ask who it is', async () => (await new Browser().open(at('/'), 0)).status === 302)
})
afterAll(async () => {
  stop?.()
  provider?.close()
  provider?.closeAllConnections()
  await mesh?.stop()
})

const at = (path: string) => `http://${gateway}:8080${path}`
const staff = (path: string) => `http://${gateway}:8081${path}`

async function openIdProvider(host: string): Promise<Server> {
  const accounts = new Provider(issuer, {
    clients: [
      { client_id: 'shop', client_secret: SECRET, redirect_uris: [at('/oauth2/callback'), staff('/oauth2/callback')] },
    ],
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
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: staff }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 8081, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: staff }
spec:
  parentRefs: [{ name: staff }]
  rules: [{ matches: [{ path: { value: /staff } }], backendRefs: [{ name: web, port: 80 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: rest }
spec: { parentRefs: [{ name: staff }], rules: [{ backendRefs: [{ name: web, port: 80 }] }] }
`

/** As docs/operations/sign-on.md has it. */
const SIGN_ON = (issuer: string) => `
apiVersion: v1
kind: Secret
metadata: { name: sign-on }
stringData: { client-secret: "${SECRET}" }
---
apiVersion: security.weft.dev/v1alpha1
kind: OIDCPolicy
metadata: { name: sign-on }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  provider: { issuer: "${issuer}" }
  clientID: shop
  clientSecret: { name: sign-on }
  scopes: [email]
  forwardAccessToken: true
  claimToHeaders: [{ claim: email, header: x-user }]
  publicPaths: [/healthz, /public/*]
---
apiVersion: security.weft.dev/v1alpha1
kind: OIDCPolicy
metadata: { name: staff }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: staff }]
  provider: { issuer: "${issuer}" }
  clientID: staff
  clientSecret: { name: sign-on }
  redirectPath: /staff/signed-on
  logoutPath: /staff/signed-out
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: sign-on }
spec:
  selector: { matchLabels: { istio: ingressgateway } }
  rules:
    - to: [{ operation: { paths: [/healthz, /public/*] } }]
    - from: [{ source: { requestPrincipals: ["${issuer}/*"] } }]
      when: [{ key: "request.auth.claims[email]", values: ["*@example.com"] }]
      to: [{ operation: { notPaths: [/admin*] } }]
    - when: [{ key: "request.auth.claims[sub]", values: [root] }]
`

/** Of a path as it is written, which a client with manners would not send. */
function rawStatus(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(8080, gateway, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`),
    )
    let text = ''
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part
    })
    socket.on('error', reject).on('close', () => resolve(Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1])))
  })
}

/** Goes through the pages of the provider as somebody. */
async function signedOn(browser: Browser, who: string, path = '/basket?item=1'): Promise<Page> {
  const login = await browser.open(at(path))
  const agree = await browser.submit(login, { login: who, password: 'any' })
  return browser.submit(agree, {})
}

test('who is not signed on is sent to the provider, and back to where he was going', async () => {
  const browser = new Browser({ theme: 'dark' })
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
  // And gets nothing of the session beside that.
  expect(seen.headers['cookie']).toBe('theme=dark')
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
  const page = await browser.open(at('/public/a'), 0, { 'x-user': 'root@example.com', authorization: 'Bearer forged' })
  expect(page.status).toBe(200)
  expect((JSON.parse(page.text) as { headers: Record<string, string> }).headers['x-user']).toBeUndefined()
  // So it is for who has signed on, too.
  const ann = new Browser()
  await signedOn(ann, 'ann')
  expect((await ann.open(at('/public/a'), 0)).status).toBe(200)
})

test('no way of writing a path makes it public', async () => {
  const statuses = await Promise.all(
    [
      '/public',
      '/publicly',
      '/public/../orders',
      '/public/..%2forders',
      '/public/..%2Forders',
      '/public/..%5corders',
      '/public/%2e%2e/orders',
      '/public/..;/..%2forders',
      '//public/a',
      '/PUBLIC/a',
      '/healthz/',
      '/healthz%3f',
      '/orders?/public/a',
      '/orders#/public/a',
    ].map(async (path) => [path, await rawStatus(path)]),
  )
  expect(statuses.filter(([, status]) => status === 200)).toEqual([])
})

test('scripts are told, and not sent to a page', async () => {
  const status = async (headers: Record<string, string>) => (await new Browser().open(at('/'), 0, headers)).status
  expect(await status({ 'x-requested-with': 'XMLHttpRequest' })).toBe(401)
  expect(await status({ 'sec-fetch-mode': 'cors' })).toBe(401)
  expect(await status({ 'sec-fetch-mode': 'navigate' })).toBe(302)
})

test('a route may ask for another sign-on than its gateway', async () => {
  const client = async (path: string) => {
    const { location = '' } = await new Browser().open(staff(path), 0)
    return new URL(location).searchParams.get('client_id')
  }
  expect([await client('/staff'), await client('/staff/a'), await client('/')]).toEqual(['staff', 'staff', 'shop'])
  // A session with one is none with the other.
  const ann = new Browser()
  await ann.submit(await ann.submit(await ann.open(staff('/')), { login: 'ann', password: 'any' }), {})
  expect((await ann.open(staff('/'), 0)).status).toBe(200)
  expect((await ann.open(staff('/staff'), 0)).status).toBe(302)
})

test('forged cookies sign nobody on, nor a code that the provider did not give', async () => {
  const ann = new Browser()
  await signedOn(ann, 'ann')
  const { idToken, oauthHmac, oauthExpires } = cookieNames({
    policy: { metadata: { name: 'sign-on', namespace: 'default' } },
  })
  const { [idToken]: token = '', [oauthHmac]: seal = '', [oauthExpires]: expires = '' } = ann.cookies(gateway)
  expect([token, seal, expires].every(Boolean)).toBe(true)
  const sentAway = async (cookies: Record<string, string>) => (await new Browser(cookies).open(at('/'), 0)).status
  expect(await sentAway({ ...ann.cookies(gateway), [oauthHmac]: `${seal.slice(0, -6)}AAAAA=` })).toBe(302)
  expect(await sentAway({ ...ann.cookies(gateway), [oauthExpires]: '9999999999' })).toBe(302)
  expect(await sentAway({ ...ann.cookies(gateway), [idToken]: `${token}x` })).toBe(302)
  expect((await new Browser().open(at('/oauth2/callback?code=forged&state=forged'), 0)).status).toBe(401)
})

test('who signs out has to sign on again', async () => {
  const ann = new Browser()
  await signedOn(ann, 'ann')
  await ann.open(at('/logout'), 0)
  expect((await ann.open(at('/'), 0)).status).toBe(302)
  expect(mesh.nacks).toEqual([])
})
