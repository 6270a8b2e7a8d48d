import { join } from 'node:path'
import { Server } from '@grpc/grpc-js'
import { attestedBy } from '../../src/identity/attestor.ts'
import { type CertificateAuthority, openCa } from '../../src/identity/ca.ts'
import {
  addCertificateService,
  authenticateAgents,
  authorizeByPlacement,
} from '../../src/identity/certificate-service.ts'
import { type JoinTokens, openJoinTokens } from '../../src/identity/join-token.ts'
import type { Log } from '../../src/identity/log.ts'
import { openServingCertificate } from '../../src/identity/serving-certificate.ts'

/** The identity part of a Weft server, for node `laptop` with every service account of namespace `default`. */
export interface Authority {
  readonly ca: CertificateAuthority
  readonly tokens: JoinTokens
  readonly address: string
  readonly trustBundleFile: string
  /** Cuts every connection, as a killed server does. */
  close(): void
}

/** @param address `HOST:PORT`; port 0 for any that is free */
export async function startAuthority(
  folder: string,
  address: string,
  workloadLifeMs: number,
  log: Log,
): Promise<Authority> {
  const ca = await openCa(join(folder, 'ca'), { workloadLifeMs, log })
  const tokens = openJoinTokens(join(folder, 'tokens'))
  const host = address.slice(0, address.lastIndexOf(':'))
  const serving = await openServingCertificate(ca, { ipAddresses: [host], log })
  const server = new Server()
  const find = (node: string, { namespace }: { namespace: string }) =>
    node === 'laptop' && namespace === 'default' ? {} : undefined
  addCertificateService(server, {
    ca,
    authenticate: authenticateAgents(ca, attestedBy(tokens)),
    authorize: authorizeByPlacement(ca.trustDomain, find),
    log,
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, serving.credentials('optional'), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return {
    ca,
    tokens,
    address: `${host}:${port}`,
    trustBundleFile: join(folder, 'ca', 'trust-bundle.pem'),
    close() {
      server.forceShutdown()
      serving.close()
    },
  }
}
