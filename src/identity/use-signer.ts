import type { CaStore } from './ca-store.ts'
import { certificatesIn, certificatesPem, fingerprintOf } from './certificate.ts'
import { systemClock } from './clock.ts'
import { generalNames, makeCsr } from './csr.ts'
import { chainProblem } from './intermediate-check.ts'
import { makeKeyPair, privateKeyPem } from './key.ts'
import { rotationIn } from './rotation.ts'
import { checkedSigner } from './signers/checked-signer.ts'
import { openSigner, type SignerSettings } from './signers/signer-settings.ts'
import { formatSpiffeId, serverId } from './spiffe.ts'
import { whatPeersSay } from './trial-handshake.ts'
import type { X509Certificate } from './x509.ts'

/** What became of the settings. */
export interface UsedSigner {
  readonly place: string
  readonly root: X509Certificate
  /** How long its certificates last at least that it was asked to make for one hour, in ms. */
  readonly lifeMs: number
  /** `signs`: from now on; `next`: once a rotation of the root leads to it, as its root is not trusted yet. */
  readonly use: 'signs' | 'next'
}

const TRIAL_LIFE_MS = 3_600_000

/**
 * Has an authority elsewhere sign from now on, or prepares it, after a trial: certificates for a workload and for the server, and what peers say of them.
 * @param rootPem the root that its chains end in
 * @throws Error saying what is wrong; then nothing has changed
 */
export async function useSigner(
  store: CaStore,
  trustDomain: string,
  settings: SignerSettings,
  rootPem: string,
): Promise<UsedSigner> {
  const entries = await store.read()
  if (rotationIn(entries, store.place)) throw new Error(`a rotation is under way in ${store.place}; let it end first`)
  const [root, ...more] = certificatesIn(rootPem)
  if (!root || more.length > 0) throw new Error("the root's file must hold one certificate in PEM")
  const problem = await chainProblem([root], trustDomain, Date.now())
  if (problem !== undefined) throw new Error(problem)
  const pem = certificatesPem([root])
  const signer = checkedSigner(openSigner(settings, pem), pem, systemClock)
  const trial = { kind: 'workload', trustDomain, namespace: 'default', serviceAccount: 'trial' } as const
  const lives = [
    await triedLife(signer, formatSpiffeId(trial), [], pem),
    await triedLife(signer, serverId(trustDomain), ['weft-server.weft-system.svc'], pem),
  ]

  const [present] = certificatesIn(entries.get('root.pem') ?? '')
  const isPresent = present !== undefined && fingerprintOf(present) === fingerprintOf(root)
  const text = JSON.stringify(settings)
  if (!present || isPresent) {
    // Where both are there, the signer counts.
    await store.replace('signer.json', text)
    if (!present && !(await store.create('root.pem', pem)))
      throw new Error(`${store.place} was made meanwhile; try again`)
    await store.remove('intermediate.pem')
  } else {
    await store.replace('next-signer.json', text)
    await store.remove('next-intermediate.pem')
    await store.replace('next-root.pem', pem)
  }
  return { place: signer.place, root, lifeMs: Math.min(...lives), use: !present || isPresent ? 'signs' : 'next' }
}

async function triedLife(
  signer: ReturnType<typeof checkedSigner>,
  spiffeId: string,
  dnsNames: readonly string[],
  rootPem: string,
): Promise<number> {
  const keys = await makeKeyPair()
  const names = generalNames(spiffeId, dnsNames)
  const from = Date.now()
  const chain = await signer.sign({
    csrPem: await makeCsr(keys, names),
    publicKey: await crypto.subtle.exportKey('spki', keys.publicKey),
    names,
    spiffeId,
    life: { from, until: from + TRIAL_LIFE_MS },
  })
  const shown = { chainPem: certificatesPem(chain), keyPem: await privateKeyPem(keys.privateKey) }
  const problem = await whatPeersSay(shown, rootPem)
  if (problem !== undefined)
    throw new Error(`certificates of ${signer.place} for ${spiffeId} are refused by peers: ${problem}`)
  return (chain[0]?.notAfter.getTime() ?? 0) - from
}
