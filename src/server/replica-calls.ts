import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { CertificateAuthority } from '../identity/ca.ts'
import { ownDomains } from '../identity/own-domains.ts'
import type { ServingCertificate } from '../identity/serving-certificate.ts'
import { serverId } from '../identity/spiffe.ts'

const ANSWER_MS = 3000

/** A replica's access to the others: each shows the certificate that it serves with. */
export class ReplicaCalls {
  readonly #ca: CertificateAuthority
  readonly #serverName: string
  readonly #stop: () => void
  #own: { readonly cert: string; readonly key: Buffer } | undefined

  /** @param serverName a name in every replica's certificate */
  constructor(ca: CertificateAuthority, serving: ServingCertificate, serverName: string) {
    this.#ca = ca
    this.#serverName = serverName
    this.#stop = serving.onCertificate(({ chainPem, privateKeyPem }) => {
      this.#own = { cert: chainPem, key: privateKeyPem }
    })
  }

  /** What the replica at `address:port` answers, which is JSON. @throws Error where it does not, or is none */
  async ask(address: string, port: number, path: string, signal: AbortSignal): Promise<unknown> {
    return JSON.parse(await this.#call(address, port, path, signal))
  }

  /** Gives `told` to the replica at `address:port`. Resolves when it has taken it. @throws Error where it does not, or is none */
  async tell(address: string, port: number, path: string, told: unknown, signal: AbortSignal): Promise<void> {
    await this.#call(address, port, path, signal, JSON.stringify(told))
  }

  #call(address: string, port: number, path: string, signal: AbortSignal, body?: string): Promise<string> {
    return new Promise<string>((resolve, reject) => {
      request(
        {
          ...this.#own,
          ...(body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' } }),
          ...{ host: address, port, path, agent: false, ca: this.#ca.trustBundlePem, servername: this.#serverName },
          checkServerIdentity: (_, { raw }) =>
            isServer(raw, this.#ca.trustDomain) ? undefined : new Error(`${address} is no replica`),
          signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        },
        (response) => {
          if (response.statusCode === 200) text(response).then(resolve, reject)
          else reject(new Error(`${address} answers ${response.statusCode}`))
          if (response.statusCode !== 200) response.resume()
        },
      )
        .on('error', reject)
        .end(body)
    })
  }

  close(): void {
    this.#stop()
  }
}

/** Tells other replicas, and nobody else. The port has to ask for certificates. */
export function answerReplicas(
  app: FastifyInstance,
  path: string,
  trustDomain: string,
  answer: (query: Readonly<Record<string, string>>) => unknown,
): void {
  app.get<{ Querystring: Record<string, string> }>(path, ({ raw, query }, reply) =>
    isReplica(raw, trustDomain)
      ? answer(query)
      : reply.code(403).send({ problem: 'this is told to other replicas of the server only' }),
  )
}

/** Takes what other replicas tell, and nobody else; what `take` rejects they hear of. */
export function hearReplicas(
  app: FastifyInstance,
  path: string,
  trustDomain: string,
  take: (told: unknown) => Promise<void>,
): void {
  app.post(path, async ({ raw, body }, reply) => {
    if (!isReplica(raw, trustDomain))
      return reply.code(403).send({ problem: 'this is taken from other replicas of the server only' })
    await take(body)
    return {}
  })
}

function isReplica({ socket }: IncomingMessage, trustDomain: string): boolean {
  const raw = socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate().raw : undefined
  return raw !== undefined && isServer(raw, trustDomain)
}

function isServer(raw: Buffer, trustDomain: string): boolean {
  const names = new X509Certificate(raw).subjectAltName?.split(', ') ?? []
  return ownDomains(trustDomain).some((name) => names.includes(`URI:${serverId(name)}`))
}
