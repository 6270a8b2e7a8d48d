import { randomBytes, webcrypto } from 'node:crypto'
import { isKeyOf, privateKeyIn, readPair } from './ca-entries.ts'
import type { CaStore } from './ca-store.ts'
import {
  authorityExtensions,
  certificatesIn,
  certificatesPem,
  fingerprintOf,
  makeWorkloadCertificate,
} from './certificate.ts'
import { chainProblem, nameOf } from './intermediate-check.ts'
import { KEY_ALGORITHM, makeKeyPair, privateKeyPem, readSigningKey } from './key.ts'
import { domainsOfCa } from './own-domains.ts'
import { rotationIn } from './rotation.ts'
import { formatSpiffeId, serverId } from './spiffe.ts'
import { whatPeersSay } from './trial-handshake.ts'
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator, type X509Certificate } from './x509.ts'

const HOUR_MS = 3_600_000

/**
 * A certificate signing request (PEM) for a new intermediate. Its key is made where the CA is kept and stays there. Until its certificate is installed it is the same
 * request each time.
 * @param anew whether to make another key than that of a request which waits
 */
export async function requestIntermediate(store: CaStore, trustDomain: string, anew: boolean): Promise<string> {
  if (anew) await store.remove('requested-intermediate.pem')
  const keys = await makeKeyPair()
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ O: [trustDomain] }, { CN: [`Weft intermediate ${randomBytes(4).toString('hex')}`] }],
    keys,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: authorityExtensions(0, trustDomain),
  })
  const text = `${await privateKeyPem(keys.privateKey)}${request.toString('pem')}\n`
  if (await store.create('requested-intermediate.pem', text)) return `${request.toString('pem')}\n`
  const waiting = (await store.read()).get('requested-intermediate.pem') ?? ''
  const pem = /-----BEGIN CERTIFICATE REQUEST-----[^-]+-----END CERTIFICATE REQUEST-----/.exec(waiting)?.[0]
  if (pem === undefined)
    throw new Error(`${store.placeOf('requested-intermediate.pem')} is broken; make another request`)
  new Pkcs10CertificateRequest(pem) // throws where it is broken
  return `${pem}\n`
}

/** What became of a chain that was installed. */
export interface InstalledIntermediate {
  readonly intermediate: X509Certificate
  readonly root: X509Certificate
  /** `signs`: from now on; `next`: once a rotation of the root leads to it, as its root is not trusted yet. */
  readonly use: 'signs' | 'next'
}

/**
 * Takes the signed certificate for the key of `requestIntermediate`.
 * @param chainPem the certificate, what signed it, up to the root; the root may be left out where it is the present one, or in `rootPem`
 * @param now ms since the epoch
 * @throws Error saying what is wrong with it, and what would be right; then nothing has changed
 */
export async function installIntermediate(
  store: CaStore,
  trustDomain: string,
  chainPem: string,
  rootPem: string | undefined,
  now: number,
): Promise<InstalledIntermediate> {
  const entries = await store.read()
  if (rotationIn(entries, store.place)) throw new Error(`a rotation is under way in ${store.place}; let it end first`)
  const keyPem = privateKeyIn(entries.get('requested-intermediate.pem') ?? '')
  if (keyPem === undefined) throw new Error(`no request waits in ${store.place}; make one: weft ca csr`)
  const rootText = entries.get('root.pem')
  const present =
    rootText === undefined
      ? undefined
      : (await readPair(store.placeOf('root.pem'), rootText, domainsOfCa(entries, trustDomain))).certificate
  const chain = wholeChain(certificatesIn(chainPem), rootPem, present)
  const [intermediate, ...above] = chain
  const root = above.pop()
  if (!intermediate || !root) throw new Error('an intermediate and a root are needed, and there is only a root')
  if (!isKeyOf(keyPem, intermediate)) {
    throw new Error(
      `${nameOf(intermediate)} is for another key than that in ${store.place}; have the request signed that weft ca csr gives`,
    )
  }
  const problem = (await chainProblem(chain, trustDomain, now)) ?? (await trialProblem(chain, keyPem, trustDomain, now))
  if (problem !== undefined) throw new Error(problem)

  const text = keyPem + certificatesPem([intermediate, ...above])
  const isPresent = present !== undefined && fingerprintOf(present) === fingerprintOf(root)
  if (present === undefined || isPresent) {
    // The root first: where both are missing, who comes along makes both.
    if (!present && !(await store.create('root.pem', certificatesPem([root]))))
      throw new Error(`${store.place} was made meanwhile; install again`)
    await store.replace('intermediate.pem', text)
    await store.remove('signer.json')
  } else {
    await store.remove('next-signer.json')
    await store.replace('next-intermediate.pem', text)
    await store.replace('next-root.pem', certificatesPem([root]))
  }
  await store.remove('requested-intermediate.pem')
  return { intermediate, root, use: present === undefined || isPresent ? 'signs' : 'next' }
}

/** The chain with its root: that of the chain's end, the one given, or the present one. */
function wholeChain(
  chain: readonly X509Certificate[],
  rootPem: string | undefined,
  present: X509Certificate | undefined,
): readonly X509Certificate[] {
  const last = chain.at(-1)
  if (!last) throw new Error('there is no certificate in PEM in the chain')
  if (rootPem !== undefined) {
    const [root, ...more] = certificatesIn(rootPem)
    if (!root || more.length > 0) throw new Error("the root's file must hold one certificate in PEM")
    return fingerprintOf(root) === fingerprintOf(last) ? chain : [...chain, root]
  }
  if (last.subject === last.issuer) return chain
  if (present?.subject === last.issuer) return [...chain, present]
  throw new Error(`${nameOf(last)} was signed by "${last.issuer}", which is not in the chain: add it, up to the root`)
}

/** What peers would say of certificates that the chain signs: of a workload, and of the server, which has other names. */
async function trialProblem(
  [intermediate, ...above]: readonly X509Certificate[],
  keyPem: string,
  trustDomain: string,
  now: number,
): Promise<string | undefined> {
  if (!intermediate) return undefined
  const issuer = { certificate: intermediate, above: above.slice(0, -1), key: await readSigningKey(keyPem) }
  const keys = await makeKeyPair()
  const trialKeyPem = await privateKeyPem(keys.privateKey)
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey)
  const workload = formatSpiffeId({ kind: 'workload', trustDomain, namespace: 'default', serviceAccount: 'trial' })
  const trials = [
    { what: 'workloads', names: [{ type: 'url' as const, value: workload }] },
    {
      what: 'the server',
      names: [
        { type: 'url' as const, value: serverId(trustDomain) },
        { type: 'dns' as const, value: 'weft-server.weft-system.svc' },
        { type: 'ip' as const, value: '127.0.0.1' },
      ],
    },
  ]
  for (const { what, names } of trials) {
    const leaf = await makeWorkloadCertificate(names, spki, issuer, { from: now, until: now + HOUR_MS })
    const chainPem = certificatesPem([leaf, intermediate, ...issuer.above])
    const problem = await whatPeersSay({ chainPem, keyPem: trialKeyPem }, certificatesPem(above.slice(-1)))
    if (problem !== undefined)
      return `certificates that ${nameOf(intermediate)} signs for ${what} (${names.map(({ value }) => value).join(', ')}) are refused by peers: ${problem}`
  }
  return undefined
}
