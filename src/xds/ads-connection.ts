import { status as grpcStatus, type ServerDuplexStream } from '@grpc/grpc-js'
import type { Node } from '#envoy/config/core/v3/base'
import type { DeltaDiscoveryRequest } from '#envoy/service/discovery/v3/discovery'
import type { ProxyResources } from '../translate/encoded-resource.ts'
import type { AdsServerOptions, Caller, Refusal } from './ads-server.ts'
import { DeltaStream } from './delta-stream.ts'
import type { Timers } from './push-scheduler.ts'
import { responseFrame } from './response-frame.ts'
import { Counts, type ProxyStatus, typeStatus } from './status.ts'

type Call = ServerDuplexStream<DeltaDiscoveryRequest, Buffer>

interface Opened {
  readonly proxy: string
  readonly node: Node | undefined
  readonly stream: DeltaStream
}

/** One stream of one proxy: moves messages between the connection and the state machine, and turns time for it. */
export class AdsConnection {
  readonly #call: Call
  readonly #options: AdsServerOptions
  readonly #timers: Timers
  readonly #totals: Counts
  readonly #counts = new Counts()
  readonly #lastAck = new Map<string, number>()
  readonly #connectedSince = Date.now()
  readonly #closed: () => void
  #opened: Opened | undefined
  #over = false
  #full = false
  #cancelWake: (() => void) | undefined

  /** `closed` is called once, when the stream is over for whichever reason. */
  constructor(call: Call, options: AdsServerOptions, timers: Timers, totals: Counts, closed: () => void) {
    this.#call = call
    this.#options = options
    this.#timers = timers
    this.#totals = totals
    this.#closed = closed
    call.on('data', (request: DeltaDiscoveryRequest) => this.#guard(() => this.#received(request)))
    call.on('drain', () => {
      this.#full = false
      this.#guard(() => this.#pump())
    })
    call.on('end', () => this.close())
    call.on('cancelled', () => this.#end())
    call.on('error', () => this.#end())
  }

  /** What it may see may be another. */
  changed(): void {
    const opened = this.#opened
    if (!opened) return
    this.#guard(() => {
      const resources = this.#resourcesOf(opened.proxy)
      if (resources) opened.stream.retarget(resources)
      this.#pump()
    })
  }

  close(): void {
    if (this.#over) return
    this.#end()
    this.#call.end()
  }

  /** Undefined until the proxy has said who it is. */
  status(): ProxyStatus | undefined {
    if (!this.#opened) return undefined
    const { proxy, node, stream } = this.#opened
    return {
      proxy,
      address: this.#call.getPeer(),
      node: { id: node?.id ?? '', cluster: node?.cluster ?? '', version: versionText(node) },
      connectedSince: this.#connectedSince,
      types: stream.subscriptions.map((subscription) =>
        typeStatus(subscription, this.#counts.of(subscription.url), this.#lastAck.get(subscription.url)),
      ),
    }
  }

  #received(request: DeltaDiscoveryRequest): void {
    if (this.#opened) {
      this.#opened.stream.request(request)
      this.#pump()
      return
    }
    // Nothing is read before we know who it is.
    this.#call.pause()
    this.#open(request).then(
      () => this.#call.resume(),
      (error) => this.#fail(error),
    )
  }

  async #open(request: DeltaDiscoveryRequest): Promise<void> {
    const known = await this.#options.authenticate(callerOf(this.#call), request.node)
    if (this.#over) return
    if (typeof known !== 'string') {
      this.#refuse(known)
      return
    }
    this.#opened = { proxy: known, node: request.node, stream: this.#streamOf(known) }
    this.changed()
    if (!this.#over) this.#received(request)
  }

  #resourcesOf(proxy: string): ProxyResources | undefined {
    try {
      return this.#options.resources(proxy)
    } catch (error) {
      // What the proxy has is better than a stream that breaks again and again.
      this.#options.onError?.(proxy, error)
      return undefined
    }
  }

  #streamOf(proxy: string): DeltaStream {
    const { waits, onNack, onRecovered } = this.#options
    return new DeltaStream(
      {
        rejected: (resource, error) => onNack?.({ proxy, resource, error }),
        recovered: (url, name) => onRecovered?.(proxy, url, name),
        answered: (url, taken) => {
          if (taken) this.#lastAck.set(url, Date.now())
          for (const counts of [this.#counts, this.#totals]) counts.of(url)[taken ? 'acks' : 'nacks']++
        },
      },
      waits,
    )
  }

  /** Sends what may be sent now, until the connection is full or nothing is left. */
  #pump(): void {
    const stream = this.#opened?.stream
    if (!stream || this.#over) return
    this.#cancelWake?.()
    this.#cancelWake = undefined
    while (!this.#full) {
      const now = this.#timers.now()
      const push = stream.next(now)
      if (!push) {
        const { wakeAt } = stream
        if (wakeAt !== Number.POSITIVE_INFINITY)
          this.#cancelWake = this.#timers.schedule(Math.max(1, wakeAt - now), () => this.#guard(() => this.#pump()))
        return
      }
      const frame = responseFrame(push)
      for (const counts of [this.#counts.of(push.url), this.#totals.of(push.url)]) {
        counts.responses++
        counts.resources += push.resources.length
        counts.removed += push.removed.length
        counts.bytes += frame.length
      }
      this.#full = !this.#call.write(frame)
    }
  }

  #guard(task: () => void): void {
    if (this.#over) return
    try {
      task()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#over) return
    this.#options.onError?.(this.#opened?.proxy ?? this.#call.getPeer(), error)
    this.#end()
    this.#call.emit('error', { code: grpcStatus.INTERNAL, details: 'Weft could not make the configuration' })
  }

  #refuse({ refused, unauthenticated }: Refusal): void {
    this.#end()
    const code = unauthenticated ? grpcStatus.UNAUTHENTICATED : grpcStatus.PERMISSION_DENIED
    this.#call.emit('error', { code, details: refused })
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#cancelWake?.()
    this.#closed()
  }
}

function callerOf(call: Call): Caller {
  const certificate = call.getAuthContext().sslPeerCertificate?.raw
  return { address: call.getPeer(), metadata: call.metadata, ...(certificate ? { certificate } : {}) }
}

/** `1.40.0` of the build that the node says it is. */
function versionText(node: Node | undefined): string {
  const version = node?.userAgentVersionType
  if (version?.case === 'userAgentVersion') return version.value
  const number = version?.case === 'userAgentBuildVersion' ? version.value.version : undefined
  return number ? `${number.majorNumber}.${number.minorNumber}.${number.patch}` : ''
}
