import { expect } from 'vitest'
import type { CertificateAuthority } from '../../src/identity/ca.ts'
import { certificatesIn, urisOf } from '../../src/identity/certificate.ts'
import { generalNames, makeCsr } from '../../src/identity/csr.ts'
import { makeKeyPair, privateKeyPem } from '../../src/identity/key.ts'
import { agentId, workloadId } from '../../src/identity/spiffe.ts'
import { whatPeersSay } from '../../src/identity/trial-handshake.ts'

const LIFE_MS = 3_600_000

/** A workload, an agent and the server get the names and the life that they ask `ca` for, and peers that know `rootPem` take it. */
export async function expectSigned(ca: CertificateAuthority, rootPem: string): Promise<void> {
  const identities: [string, string[]][] = [
    [workloadId('default', 'reviews'), []],
    [agentId('node-1'), ['weft-agent']],
    [workloadId('weft-system', 'weft-server'), ['weft-server', 'weft-server.weft-system.svc']],
  ]
  for (const [spiffeId, dnsNames] of identities) {
    const keys = await makeKeyPair()
    const csrPem = await makeCsr(keys, generalNames(spiffeId, dnsNames))
    const issued = await ca.signCsr({ csrPem, spiffeId, dnsNames, lifeMs: LIFE_MS })
    const [leaf] = certificatesIn(issued.chainPem)
    expect(leaf && urisOf(leaf)).toEqual([spiffeId])
    expect(issued.notAfter.getTime()).toBeLessThanOrEqual(Date.now() + LIFE_MS + 1000)
    const shown = { chainPem: issued.chainPem, keyPem: await privateKeyPem(keys.privateKey) }
    expect(await whatPeersSay(shown, rootPem)).toBeUndefined()
  }
}
