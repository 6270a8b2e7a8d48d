import { fromBinary } from '@bufbuild/protobuf'
import { status as grpcStatus } from '@grpc/grpc-js'
import { type Node, NodeSchema } from '#envoy/config/core/v3/base'
import type { ProxyResources } from '../translate/encoded-resource.ts'
import type { AdsServerOptions, Caller, Refusal } from './ads-server.ts'
import type { Push } from './delta-stream.ts'
import type { LastGood } from './last-good.ts'
import { type Call, Messages } from './messages.ts'
import type { Protocol, ResourceStream } from './protocol.ts'
import type { Timers } from './push-scheduler.ts'
import { HEAD } from './response-frame.ts'
import { Counts, type ProxyStatus } from './status.ts'
import type { Turning, Turns } from './turns.ts'

/** What all connections of a server share. */
export interface Shared {
  readonly timers: Timers
  readonly totals: Counts
  readonly turns: Turns
  readonly lastGood: LastGood
}

interface Opened<Request, Sent extends Push> {
  readonly proxy: string
  readonly node: Node | undefined
  readonly stream: ResourceStream<Request, Sent>
}

/** One stream of one proxy: moves messages between the connection and the state machine, and turns time for it. */
export class AdsConnection<Request extends { readonly node?: Uint8Array }, Sent extends Push> implements Turning {
  readonly #call: Call
  readonly #protocol: Protocol<Request, Sent>
  readonly #options: AdsServerOptions
  readonly #shared: Shared
  readonly #messages: Messages
  readonly #counts = new Counts()
  readonly #lastAck = new Map<string, number>()
  readonly #connectedSince = Date.now()
  readonly #closed: () => void
  #opened: Opened<Request, Sent> | undefined
  #over = false
  /** What it may see may be another than it was told. */
  #outdated = false
  /** What it was told that it may see. */
  #told: ProxyResources | undefined
  /** There may be something to send: not where what it may see turns out to be what it was. */
  #due = false
  #full = false
  #cancelWake: (() => void) | undefined

  /** `closed` is called once, when the stream is over for whichever reason. */
  constructor(
    call: Call,
    protocol: Protocol<Request, Sent>,
    options: AdsServerOptions,
    shared: Shared,
    closed: () => void,
  ) {
    this.#call = call
    this.#protocol = protocol
    this.#options = options
    this.#shared = shared
    this.#closed = closed
    this.#messages = new Messages(call, {
      message: (bytes) => {
        const request = protocol.read(bytes)
        this.#guard(() => this.#received(request))
      },
      ended: () => this.close(),
      drained: () => {
        this.#full = false
        this.#askToPump()
      },
    })
    call.on('cancelled', () => this.#end())
    call.on('error', () => this.#end())
  }

  /** What it may see may be another. */
  changed(): void {
    if (!this.#opened || this.#over) return
    this.#outdated = true
    this.#shared.turns.ask(this)
  }

  /** Does what there is to do now. */
  turn(): void {
    this.#guard(() => {
      if (this.#outdated) this.#retarget()
      if (this.#due) this.#pump()
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
    // What it lacks since a moment ago, it lacks.
    if (this.#outdated) this.#guard(() => this.#retarget())
    const { proxy, node, stream } = this.#opened
    return {
      proxy,
      address: this.#call.getPeer(),
      node: { id: node?.id ?? '', cluster: node?.cluster ?? '', version: versionText(node) },
      connectedSince: this.#connectedSince,
      types: stream.types((url) => ({ counts: this.#counts.of(url), lastAck: this.#lastAck.get(url) })),
    }
  }

  #received(request: Request): void {
    if (this.#opened) {
      this.#opened.stream.request(request)
      this.#askToPump()
      return
    }
    // Nothing is read before we know who it is.
    this.#messages.pause()
    this.#open(request).then(
      () => this.#messages.resume(),
      (error) => this.#fail(error),
    )
  }

  async #open(request: Request): Promise<void> {
    const node = request.node && fromBinary(NodeSchema, request.node)
    const known = await this.#options.authenticate(callerOf(this.#call), node)
    if (this.#over) return
    if (typeof known !== 'string') {
      this.#options.onRefused?.(callerOf(this.#call), node, known)
      this.#refuse(known)
      return
    }
    this.#opened = { proxy: known, node, stream: this.#streamOf(known) }
    this.changed()
    this.#received(request)
  }

  #retarget(): void {
    this.#outdated = false
    if (!this.#opened) return
    const resources = this.#resourcesOf(this.#opened.proxy)
    if (!resources || resources === this.#told) return
    this.#told = resources
    this.#due = true
    this.#opened.stream.retarget(resources)
  }

  #askToPump(): void {
    this.#due = true
    this.#shared.turns.ask(this)
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

  #streamOf(proxy: string): ResourceStream<Request, Sent> {
    const { waits, onNack, onRecovered } = this.#options
    return this.#protocol.open(
      {
        rejected: (resource, error, held) => {
          this.#shared.lastGood.refused(resource, held)
          onNack?.({ proxy, resource, error })
        },
        insteadOf: (resource) => this.#shared.lastGood.insteadOf(resource),
        recovered: (url, name) => onRecovered?.(proxy, url, name),
        answered: (url, taken) => {
          if (taken) this.#lastAck.set(url, Date.now())
          const answer = taken ? 'acks' : 'nacks'
          this.#counts.of(url)[answer]++
          this.#shared.totals.of(url)[answer]++
        },
      },
      waits,
    )
  }

  /** Sends what may be sent now, until the connection is full or nothing is left. */
  #pump(): void {
    const stream = this.#opened?.stream
    if (!stream || this.#over) return
    this.#due = false
    this.#cancelWake?.()
    this.#cancelWake = undefined
    while (!this.#full) {
      const now = this.#shared.timers.now()
      const push = stream.next(now)
      if (!push) {
        const { wakeAt } = stream
        if (wakeAt !== Number.POSITIVE_INFINITY)
          this.#cancelWake = this.#shared.timers.schedule(Math.max(1, wakeAt - now), () => this.#askToPump())
        return
      }
      const message = this.#protocol.message(push)
      let resources = 0
      // Not to be asked for where there are parts: these are thousands, and a list of them is made anew.
      if (push.parts) for (const part of push.parts) resources += part.resources.length
      else resources = push.resources.length
      let bytes = -HEAD
      for (const { length } of message) bytes += length
      this.#counts.sent(push.url, resources, push.removed.length, bytes)
      this.#shared.totals.sent(push.url, resources, push.removed.length, bytes)
      this.#full = !this.#messages.write(message)
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
    this.#shared.turns.leave(this)
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
