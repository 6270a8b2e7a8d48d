import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { AuditRecord } from '../identity/audit-log.ts'
import {
  type AgentReport,
  type CaOrders,
  certificateSyncDefinition,
  type ReportedProxy,
} from '../identity/certificate-sync.ts'
import type { Clock } from '../identity/clock.ts'
import type { Log } from '../identity/log.ts'
import { retryDelay } from '../identity/renewal.ts'
import type { Certificates, HeldCertificate } from './certificates.ts'
import { reported, versionOf } from './certificates.ts'
import type { NodeIdentity } from './certificates-node.ts'
import { type Confirmations, isTaken } from './sds-confirmations.ts'
import { ROOTS_SECRET, WORKLOAD_SECRET } from './sds-secrets.ts'

export interface SyncOptions {
  readonly identity: NodeIdentity
  /** Of the workloads on the node. */
  readonly certificates: Certificates
  /** What the proxies of the node have. */
  readonly proxies: () => readonly ServedProxy[]
  /** The newest of what the agent refused. */
  readonly refused?: () => readonly AuditRecord[]
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/** A proxy that gets its secrets here. */
export interface ServedProxy {
  /** `NAMESPACE/NAME`. */
  readonly pod: string
  readonly spiffeId: string
  /** Of the streams that it has open. */
  readonly confirmations: readonly Confirmations[]
  /**
   * Since when its one stream for everything is open, in ms since the epoch: a gateway may have no use for a certificate, and not ask for one. Absent where each secret has a
   * stream of its own, and every proxy asks for both.
   */
  readonly since?: number
}

/** Changes that come together are told together, in ms. */
const GATHER_MS = 100

/** A proxy whose stream is open for so long has asked for all that it has a use for, in ms. */
const ASKED_BY_MS = 30_000

/** How often to look whether there is something to tell that nobody calls `changed` for, in ms. */
const LOOK_MS = 10_000

const { follow } = certificateSyncDefinition

/** Does what the server wants of the node's certificates, and tells it how far that is. Comes back by itself. */
export class SyncWithServer {
  readonly #options: SyncOptions
  #stream: ClientDuplexStream<Buffer, Buffer> | undefined
  #own: HeldCertificate | undefined
  #gathering = false
  #told = ''
  #failures = 0
  #closed = false
  #cancel = () => {}
  #stopLooking = () => {}
  readonly #forget: () => void

  constructor(options: SyncOptions) {
    this.#options = options
    this.#forget = options.identity.onCertificate((own) => {
      this.#own = own
      this.changed()
    })
    void this.#open()
    this.#look()
  }

  /** To be called when certificates have changed, or what proxies confirmed. */
  changed(): void {
    if (this.#gathering || this.#closed) return
    this.#gathering = true
    this.#options.clock.schedule(GATHER_MS, () => {
      this.#gathering = false
      this.#tell()
    })
  }

  close(): void {
    this.#closed = true
    this.#cancel()
    this.#stopLooking()
    this.#forget()
    this.#stream?.cancel()
  }

  #look(): void {
    if (this.#closed) return
    this.#tell()
    this.#stopLooking = this.#options.clock.schedule(LOOK_MS, () => this.#look())
  }

  async #open(): Promise<void> {
    try {
      const stream = await this.#options.identity.stream(follow.path)
      if (this.#closed) return stream.cancel()
      let over = false
      const end = (reason: string) => {
        if (over) return
        over = true
        this.#stream = undefined
        this.#again(reason)
      }
      stream.on('data', (bytes: Buffer) => {
        this.#failures = 0
        this.#follow(follow.responseDeserialize(bytes))
      })
      stream.on('error', (error) => end(error.message))
      stream.on('end', () => end('the server ended it'))
      this.#stream = stream
      this.#told = ''
      this.#tell()
    } catch (error) {
      this.#again((error as Error).message)
    }
  }

  #again(reason: string): void {
    if (this.#closed) return
    const { clock, random, log } = this.#options
    if (++this.#failures === LASTING)
      log(
        'warning',
        `cannot tell the server how certificates are, nor hear what it wants of them; tries again: ${reason}`,
      )
    this.#cancel = clock.schedule(retryDelay(this.#failures, random), () => void this.#open())
  }

  #follow(orders: CaOrders): void {
    const { identity, certificates } = this.#options
    // Whom the agent trusts first: it has to go on reaching the server.
    identity.follow(orders)
    certificates.follow(orders)
    this.changed()
  }

  #tell(): void {
    const own = this.#own
    if (!this.#stream || !own) return
    const refused = this.#options.refused?.() ?? []
    const report: AgentReport = {
      own: reported(own),
      roots: versionOf(own),
      proxies: this.#proxies(),
      ...(refused.length > 0 ? { refused } : {}),
    }
    const text = JSON.stringify(report)
    if (text === this.#told) return
    this.#told = text
    this.#stream.write(Buffer.from(text))
  }

  #proxies(): ReportedProxy[] {
    const held = new Map(this.#options.certificates.current.map((certificate) => [certificate.spiffeId, certificate]))
    const now = this.#options.clock.now()
    return this.#options.proxies().map(({ pod, spiffeId, confirmations, since }) => {
      const asksForNone = since !== undefined && now - since > ASKED_BY_MS
      const certificate = held.get(spiffeId)
      const roots = certificate ? versionOf(certificate) : ''
      return {
        pod,
        connected: confirmations.length > 0,
        ...(certificate ? { certificate: reported(certificate) } : {}),
        certificateTaken:
          certificate !== undefined && isTaken(confirmations, WORKLOAD_SECRET, certificate.serial, asksForNone),
        roots,
        rootsTaken: isTaken(confirmations, ROOTS_SECRET, roots, asksForNone),
      }
    })
  }
}

/** So many failures in a row are not a server that is being started again. */
const LASTING = 8
