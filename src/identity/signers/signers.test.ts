// The authorities here are stand-ins that follow the published APIs; test/identity has those that can be had.
import { generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCa } from '../ca.ts'
import { folderStore } from '../ca-store.ts'
import {
  certificatesIn,
  certificatesPem,
  type Issuer,
  makeIntermediate,
  makeRoot,
  makeWorkloadCertificate,
} from '../certificate.ts'
import { systemClock } from '../clock.ts'
import { generalNames, makeCsr, namesInCsr, provenPublicKey } from '../csr.ts'
import { makeKeyPair } from '../key.ts'
import type { SignerRequest } from '../signer.ts'
import { useSigner } from '../use-signer.ts'
import type { X509Certificate } from '../x509.ts'
import { signedHeaders } from './aws-signature.ts'
import { checkedSigner } from './checked-signer.ts'
import { openSigner, signerSettings } from './signer-settings.ts'

const HOUR = 3_600_000
const reviews = 'spiffe://cluster.local/ns/default/sa/reviews'

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Said {
  readonly status?: number
  readonly body: object | string
  readonly headers?: Record<string, string>
}

let server: Server
let url: string
let asked: Asked[]
let answer: (asked: Asked) => Said | Promise<Said>
let root: X509Certificate
let issuer: Issuer
beforeEach(async () => {
  asked = []
  server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const each = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers, body }
    asked.push(each)
    const said = await answer(each)
    outgoing.writeHead(said.status ?? 200, said.headers)
    outgoing.end(typeof said.body === 'string' ? said.body : JSON.stringify(said.body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const life = { from: Date.now(), until: Date.now() + 1000 * HOUR }
  const [rootKeys, keys] = [await makeKeyPair(), await makeKeyPair()]
  root = await makeRoot('cluster.local', rootKeys, life)
  const certificate = await makeIntermediate(
    'cluster.local',
    keys.publicKey,
    { certificate: root, key: rootKeys.privateKey },
    life,
  )
  issuer = { certificate, above: [], key: keys.privateKey }
})
afterEach(() => void server.close())

/** What an authority makes of a request: the names that are in it, for as long as it says. */
async function signed(csrPem: string, until = Date.now() + HOUR): Promise<{ leaf: string; chain: string }> {
  const life = { from: Date.now(), until }
  const leaf = await makeWorkloadCertificate(namesInCsr(csrPem), await provenPublicKey(csrPem), issuer, life)
  return { leaf: certificatesPem([leaf]), chain: certificatesPem([issuer.certificate]) }
}

async function requestFor(spiffeId: string, dnsNames: readonly string[] = []): Promise<SignerRequest> {
  const keys = await makeKeyPair()
  const names = generalNames(spiffeId, dnsNames)
  const publicKey = await webcrypto.subtle.exportKey('spki', keys.publicKey)
  const from = Date.now()
  return { csrPem: await makeCsr(keys, names), publicKey, names, spiffeId, life: { from, until: from + HOUR } }
}

/** Opens an authority by its settings, and has it sign for reviews. */
async function sign(settings: object, request?: SignerRequest) {
  const pem = certificatesPem([root])
  const signer = checkedSigner(openSigner(signerSettings(settings), pem), pem, systemClock)
  return signer.sign(request ?? (await requestFor(reviews)))
}

const json = (text: string) => JSON.parse(text) as Record<string, string>

describe('Vault', () => {
  const settings = () => ({
    type: 'vault',
    url,
    mount: 'mesh',
    role: 'workloads',
    token: 's.secret',
    namespace: 'team',
  })

  test('is asked with a token, and gives the chain', async () => {
    answer = async ({ body }) => {
      const { leaf, chain } = await signed(json(body)['csr'] ?? '')
      return { body: { data: { certificate: leaf, ca_chain: [chain, certificatesPem([root])], issuing_ca: chain } } }
    }
    expect(await sign(settings())).toHaveLength(2)
    const [{ method, path, headers, body } = asked[0] as Asked] = asked
    expect({ method, path }).toEqual({ method: 'POST', path: '/v1/mesh/sign/workloads' })
    expect(headers).toMatchObject({
      'x-vault-token': 's.secret',
      'x-vault-namespace': 'team',
      'x-vault-request': 'true',
    })
    expect(json(body)).toMatchObject({ uri_sans: reviews, alt_names: '', ttl: '3600s' })
  })

  test('is logged in to with an AppRole, and once more when the login is over', async () => {
    let logins = 0
    answer = async ({ path, body, headers }) => {
      if (path === '/v1/auth/approle/login') {
        expect(json(body)).toEqual({ role_id: 'r', secret_id: 's' })
        return { body: { auth: { client_token: `t${++logins}`, lease_duration: 3600 } } }
      }
      if (headers['x-vault-token'] === 't1' && asked.length > 3)
        return { status: 403, body: { errors: ['permission denied'] } }
      const { leaf, chain } = await signed(json(body)['csr'] ?? '')
      return { body: { data: { certificate: leaf, ca_chain: [chain] } } }
    }
    const pem = certificatesPem([root])
    const signer = openSigner(
      signerSettings({ type: 'vault', url, role: 'w', appRole: { roleId: 'r', secretId: 's' } }),
      pem,
    )
    for (let i = 0; i < 3; i++) await signer.sign(await requestFor(reviews))
    expect(logins).toBe(2)
  })

  test('says why not in its own words', async () => {
    answer = () => ({ status: 400, body: { errors: [`common name ${reviews} not allowed by this role`] } })
    await expect(sign(settings())).rejects.toThrow(
      `refuses: status 400: common name ${reviews} not allowed by this role`,
    )
    expect(asked).toHaveLength(1)
  })

  test('is asked again when it is sealed, or has too much to do', async () => {
    answer = async ({ body }) => {
      if (asked.length === 1) return { status: 503, body: { errors: ['Vault is sealed'] } }
      if (asked.length === 2) return { status: 429, body: '', headers: { 'retry-after': '0' } }
      const { leaf, chain } = await signed(json(body)['csr'] ?? '')
      return { body: { data: { certificate: leaf, ca_chain: [chain] } } }
    }
    expect(await sign(settings())).toHaveLength(2)
    expect(asked).toHaveLength(3)
  })
})

describe('AWS Private CA', () => {
  const settings = () => ({
    type: 'aws-private-ca',
    region: 'eu-central-1',
    certificateAuthorityArn: 'arn:aws:acm-pca:eu-central-1:1:certificate-authority/x',
    credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: 'session' },
    endpoint: url,
  })

  test('signs, and gives the certificate when that is done', async () => {
    let csr = ''
    answer = async ({ headers, body }) => {
      if (headers['x-amz-target'] === 'ACMPrivateCA.IssueCertificate') {
        csr = Buffer.from(json(body)['Csr'] ?? '', 'base64').toString()
        return { body: { CertificateArn: 'arn:c' } }
      }
      if (asked.length === 2)
        return { status: 400, body: { __type: 'com.amazonaws#RequestInProgressException', message: 'in progress' } }
      const { leaf, chain } = await signed(csr)
      return { body: { Certificate: leaf, CertificateChain: chain + certificatesPem([root]) } }
    }
    expect(await sign(settings())).toHaveLength(2)
    expect(asked.map(({ headers }) => headers['x-amz-target'])).toEqual([
      'ACMPrivateCA.IssueCertificate',
      'ACMPrivateCA.GetCertificate',
      'ACMPrivateCA.GetCertificate',
    ])
    expect(json(asked[0]?.body ?? '')).toMatchObject({
      SigningAlgorithm: 'SHA256WITHECDSA',
      Validity: { Type: 'ABSOLUTE' },
    })
    expect(asked[0]?.headers).toMatchObject({
      'x-amz-security-token': 'session',
      authorization: expect.stringMatching(
        /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/acm-pca\/aws4_request, SignedHeaders=content-type;host;/,
      ),
    })
  })

  test('says why not', async () => {
    answer = () => ({ status: 400, body: { __type: 'InvalidStateException', message: 'The CA is DISABLED' } })
    await expect(sign(settings())).rejects.toThrow('InvalidStateException: The CA is DISABLED')
  })

  test('is asked with the signature of the published example', () => {
    // "post-vanilla" of AWS's test suite for Signature Version 4.
    const { authorization } = signedHeaders(
      { host: 'example.amazonaws.com', region: 'us-east-1', service: 'service' },
      {},
      '',
      { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
      Date.parse('2015-08-30T12:36:00Z'),
    )
    expect(authorization).toContain('Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b')
  })
})

test('Google CAS is asked with a token for the service account', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' })
  answer = async ({ path, body }) => {
    if (path === '/token') return { body: { access_token: 'ya29', expires_in: 3600 } }
    const { leaf, chain } = await signed(json(body)['pemCsr'] ?? '')
    return { body: { pemCertificate: leaf, pemCertificateChain: [chain, certificatesPem([root])] } }
  }
  const pool = 'projects/p/locations/l/caPools/mesh'
  const serviceAccountKey = { client_email: 'mesh@p', private_key: pem, token_uri: `${url}/token` }
  expect(await sign({ type: 'google-cas', pool, endpoint: url, serviceAccountKey })).toHaveLength(2)
  const [token, certificate] = asked
  const assertion = new URLSearchParams(token?.body).get('assertion') ?? ''
  const [head, claims] = assertion
    .split('.')
    .slice(0, 2)
    .map((part) => json(Buffer.from(part, 'base64url').toString()))
  expect(head).toEqual({ alg: 'RS256', typ: 'JWT' })
  expect(claims).toMatchObject({ iss: 'mesh@p', aud: `${url}/token` })
  expect(certificate?.path).toMatch(
    /^\/v1\/projects\/p\/locations\/l\/caPools\/mesh\/certificates\?certificateId=weft-/,
  )
  expect(certificate?.headers['authorization']).toBe('Bearer ya29')
  expect(json(certificate?.body ?? '')['lifetime']).toBe('3600s')
})

test('Venafi is asked until it has signed', async () => {
  let csr = ''
  answer = async ({ path, body }) => {
    if (path === '/vedsdk/certificates/request') {
      csr = json(body)['PKCS10'] ?? ''
      return { body: { CertificateDN: '\\VED\\Policy\\Mesh\\weft-1', Guid: '{1}' } }
    }
    if (asked.length === 2) return { status: 202, body: { Status: 'Post CSR', Stage: 500 } }
    const { leaf, chain } = await signed(csr)
    return {
      body: {
        CertificateData: Buffer.from(leaf + chain + certificatesPem([root])).toString('base64'),
        Format: 'base64',
      },
    }
  }
  expect(await sign({ type: 'venafi', url, policy: '\\VED\\Policy\\Mesh', accessToken: 'a' })).toHaveLength(2)
  expect(asked).toHaveLength(3)
  expect(asked[0]?.headers['authorization']).toBe('Bearer a')
  expect(json(asked[2]?.body ?? '')).toMatchObject({
    CertificateDN: '\\VED\\Policy\\Mesh\\weft-1',
    IncludeChain: 'true',
  })
})

describe('Keyfactor', () => {
  const settings = () => ({
    type: 'keyfactor',
    url,
    certificateAuthority: 'ca\\Mesh',
    template: 'Mesh',
    user: { name: 'u', password: 'p' },
  })

  test('enrolls', async () => {
    answer = async ({ body }) => {
      const { leaf, chain } = await signed(json(body)['CSR'] ?? '')
      return {
        body: {
          CertificateInformation: {
            RequestDisposition: 'ISSUED',
            Certificates: [leaf, chain, certificatesPem([root])],
          },
        },
      }
    }
    expect(await sign(settings())).toHaveLength(2)
    expect(asked[0]).toMatchObject({ method: 'POST', path: '/KeyfactorAPI/Enrollment/CSR' })
    expect(asked[0]?.headers).toMatchObject({
      authorization: 'Basic dTpw',
      'x-keyfactor-requested-with': 'APIClient',
      'x-certificateformat': 'PEM',
    })
  })

  test.each([
    ['PENDING', 'has not signed: PENDING Wait; let its template issue without approval'],
    ['DENIED', 'refuses: DENIED Wait'],
  ])('says that a request is %s', async (RequestDisposition, problem) => {
    answer = () => ({ body: { CertificateInformation: { RequestDisposition, DispositionMessage: 'Wait' } } })
    await expect(sign(settings())).rejects.toThrow(problem)
  })
})

describe('cert-manager', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-cm-'))
    const config = {
      clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: { token: 't' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }
    writeFileSync(join(folder, 'config'), JSON.stringify(config))
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const settings = () => ({
    type: 'cert-manager',
    namespace: 'mesh',
    issuer: { name: 'vault', kind: 'ClusterIssuer' },
    kubeconfig: join(folder, 'config'),
  })
  const path = '/apis/cert-manager.io/v1/namespaces/mesh/certificaterequests'
  /** An API server in which a CertificateRequest gets a status when it is first looked at again. */
  const cluster = (status: (csrPem: string) => Promise<object>) => {
    let made: { spec: { request: string } }
    answer = async ({ method, path, body }) => {
      const metadata = { name: 'weft-abcde' }
      if (method === 'POST') {
        made = JSON.parse(body) as typeof made
        return { status: 201, body: { ...made, metadata }, headers: { 'content-type': 'application/json' } }
      }
      if (method === 'DELETE' || !path.endsWith('/weft-abcde')) return { body: {} }
      const looked = asked.filter((each) => each.method === 'GET').length
      const csrPem = Buffer.from(made.spec.request, 'base64').toString()
      return { body: { ...made, metadata, status: looked > 1 ? await status(csrPem) : {} } }
    }
  }

  test('is asked by an object, which is removed when it is signed', async () => {
    cluster(async (csrPem) => {
      const { leaf, chain } = await signed(csrPem)
      const certificate = Buffer.from(leaf + chain).toString('base64')
      return { conditions: [{ type: 'Ready', status: 'True', reason: 'Issued' }], certificate }
    })
    expect(await sign(settings())).toHaveLength(2)
    expect(asked.map(({ method, path: at }) => `${method} ${at}`)).toEqual([
      `POST ${path}`,
      `GET ${path}/weft-abcde`,
      `GET ${path}/weft-abcde`,
      `DELETE ${path}/weft-abcde`,
    ])
    expect((JSON.parse(asked[0]?.body ?? '') as { spec: object }).spec).toMatchObject({
      issuerRef: { name: 'vault', kind: 'ClusterIssuer', group: 'cert-manager.io' },
      duration: '3600s',
      usages: ['digital signature', 'server auth', 'client auth'],
    })
  })

  test('says why not', async () => {
    cluster(async () => ({
      conditions: [{ type: 'Ready', status: 'False', reason: 'Failed', message: 'no such role' }],
    }))
    await expect(sign(settings())).rejects.toThrow('cert-manager (ClusterIssuer vault) refuses: no such role')
    expect(asked.at(-1)?.method).toBe('DELETE')
  })
})

describe('of what an authority answers is refused', () => {
  const settings = () => ({ type: 'keyfactor', url, certificateAuthority: 'c', template: 't', accessToken: 'a' })
  const answering = (make: (csrPem: string) => Promise<readonly string[]>) => {
    answer = async ({ body }) => ({
      body: {
        CertificateInformation: { RequestDisposition: 'ISSUED', Certificates: await make(json(body)['CSR'] ?? '') },
      },
    })
  }
  const leafFor = async (names: ReturnType<typeof generalNames>, publicKey: ArrayBuffer, until = Date.now() + HOUR) =>
    certificatesPem([await makeWorkloadCertificate(names, publicKey, issuer, { from: Date.now(), until })])
  const chain = () => certificatesPem([issuer.certificate])

  test('another key', async () => {
    answering(async () => [(await signed(await makeCsr(await makeKeyPair(), generalNames(reviews)))).leaf, chain()])
    await expect(sign(settings())).rejects.toThrow('its certificate is for another key')
  })

  test('another identity, more names, or fewer', async () => {
    const admin = 'spiffe://cluster.local/ns/kube-system/sa/admin'
    answering(async (csr) => [await leafFor(generalNames(admin), await provenPublicKey(csr)), chain()])
    await expect(sign(settings())).rejects.toThrow(`its certificate is for ${admin}, not ${reviews}`)
    answering(async (csr) => [
      await leafFor(generalNames(reviews, ['*.example.com']), await provenPublicKey(csr)),
      chain(),
    ])
    await expect(sign(settings())).rejects.toThrow('has the name *.example.com, which nobody asked for')
    answering(async (csr) => [await leafFor(generalNames(reviews), await provenPublicKey(csr)), chain()])
    await expect(sign(settings(), await requestFor(reviews, ['weft-agent']))).rejects.toThrow(
      'lacks the name weft-agent',
    )
  })

  test('one that has ended', async () => {
    answering(async (csr) => [
      await leafFor(generalNames(reviews), await provenPublicKey(csr), Date.now() - 1000),
      chain(),
    ])
    await expect(sign(settings())).rejects.toThrow('its certificate ended on')
  })

  test('a chain to another root, or none', async () => {
    answering(async (csr) => [(await signed(csr)).leaf])
    await expect(sign(settings())).rejects.toThrow('is not the root that the mesh trusts')
    answering(async () => [])
    await expect(sign(settings())).rejects.toThrow('it answered with no certificate')
  })

  test('and a request whose names are not those that were granted does not reach it', async () => {
    const request = {
      ...(await requestFor(reviews)),
      csrPem: (await requestFor('spiffe://cluster.local/ns/a/sa/admin')).csrPem,
    }
    await expect(sign(settings(), request)).rejects.toThrow(
      'is not asked: the request is for url spiffe://cluster.local/ns/a/sa/admin',
    )
    expect(asked).toEqual([])
  })
})

describe('settings', () => {
  test.each([
    [{}, 'an object with the field type is wanted: one of aws-private-ca, cert-manager'],
    [{ type: 'acme' }, 'type: "acme" is not known'],
    [{ type: 'vault', url: 'https://v' }, 'role is missing, which vault needs'],
    [{ type: 'vault', url: 'https://v', role: 'r', tokn: 't' }, 'tokn is no field of vault; did you mean token?'],
    [{ type: 'vault', url: 'http://vault.example.com', role: 'r' }, 'must begin with https://'],
  ])('%j are refused', (settings, problem) => {
    expect(() => signerSettings(settings)).toThrow(problem)
  })
})

describe('a mesh', () => {
  let folder: string
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'weft-signers-')), 'ca')
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  test('has certificates signed elsewhere, tried before, and keeps no key of an authority', async () => {
    answer = async ({ body }) => {
      const { leaf, chain } = await signed(json(body)['csr'] ?? '')
      return { body: { data: { certificate: leaf, ca_chain: [chain] } } }
    }
    const settings = signerSettings({ type: 'vault', url, role: 'w', token: randomBytes(8).toString('hex') })
    const store = folderStore(folder)
    const pem = certificatesPem([root])
    expect(await useSigner(store, 'cluster.local', settings, pem)).toMatchObject({ use: 'signs' })
    const ca = await openCa(store, { log: () => {} })
    expect(ca.trustBundlePem).toBe(pem)
    const { csrPem } = await requestFor(reviews)
    const issued = await ca.signCsr({ csrPem, spiffeId: reviews })
    expect(certificatesIn(issued.chainPem)).toHaveLength(2)
    await expect(ca.signCsr({ csrPem: await makeCsr(await makeKeyPair()), spiffeId: reviews })).rejects.toThrow(
      'is the agent of an older version?',
    )
    expect(readFileSync(join(folder, 'root.pem'), 'utf8')).not.toContain('PRIVATE')
  })

  test('with a root of its own prepares another one; what fails its trial changes nothing', async () => {
    const store = folderStore(folder)
    const { trustBundlePem } = await openCa(store, { log: () => {} })
    answer = () => ({ status: 403, body: { errors: ['permission denied'] } })
    const settings = signerSettings({ type: 'vault', url, role: 'w', token: 't' })
    const use = () => useSigner(store, 'cluster.local', settings, certificatesPem([root]))
    const before = await store.read()
    await expect(use()).rejects.toThrow('permission denied')
    expect(await store.read()).toEqual(before)
    answer = async ({ body }) => {
      const { leaf, chain } = await signed(json(body)['csr'] ?? '')
      return { body: { data: { certificate: leaf, ca_chain: [chain] } } }
    }
    expect(await use()).toMatchObject({ use: 'next' })
    expect((await openCa(store, { log: () => {} })).trustBundlePem).toBe(trustBundlePem)
  })

  test('tells of settings that somebody broke', async () => {
    const store = folderStore(folder)
    await openCa(store, { log: () => {} })
    writeFileSync(join(folder, 'signer.json'), '{"type":"vault"}', { mode: 0o600 })
    await expect(openCa(store, { log: () => {} })).rejects.toThrow(
      'signer.json is wrong: url is missing, which vault needs',
    )
  })
})
