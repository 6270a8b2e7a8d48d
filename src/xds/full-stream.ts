import { createHash } from 'node:crypto'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { NodeSchema } from '#envoy/config/core/v3/base'
import { DiscoveryRequestSchema } from '#envoy/service/discovery/v3/discovery'
import { type EncodedResource, type ProxyResources, RESOURCE_TYPES, TYPE_URLS } from '../translate/encoded-resource.ts'
import type { Push, StreamEvents } from './delta-stream.ts'
import { allResources, type Layers, lookup } from './layers.ts'
import type { Answers } from './protocol.ts'
import type { TypeStatus } from './status.ts'
import { suspectsIn } from './suspects.ts'

/** What Weft reads of envoy.service.discovery.v3.DiscoveryRequest. */
export interface FullRequest {
  /** A serialized envoy.config.core.v3.Node. */
  readonly node?: Uint8Array
  readonly typeUrl: string
  /** All that is asked for now. */
  readonly resourceNames: readonly string[]
  readonly responseNonce: string
  readonly errorDetail?: { readonly message: string }
}

/** Throws where the bytes are no protobuf. */
export function readFullRequest(bytes: Uint8Array): FullRequest {
  const { node, typeUrl, resourceNames, responseNonce, errorDetail } = fromBinary(DiscoveryRequestSchema, bytes)
  return {
    ...(node ? { node: toBinary(NodeSchema, node) } : {}),
    typeUrl,
    resourceNames,
    responseNonce,
    ...(errorDetail ? { errorDetail } : {}),
  }
}

/** One DiscoveryResponse: everything that was asked for of a type and that there is. */
export interface FullPush extends Push {
  readonly version: string
}

/** One type on one stream. */
interface Asked {
  readonly url: string
  /** Undefined for everything. */
  names: ReadonlySet<string> | undefined
  layers: Layers
  /** The last that the client took under each name that it still asks for. */
  readonly held: Map<string, EncodedResource>
  /** Versions that it refused, with its words. */
  readonly refused: Map<string, { readonly version: string; readonly error: string }>
  lastNonce: string
  inFlight: readonly EncodedResource[] | undefined
  /** What it asked for, or what there is, may be another than it was told. */
  outdated: boolean
  /** An answer is due even if nothing differs: what is not in it does not exist. */
  owed: boolean
}

/** Types of which a response says by silence that something does not exist; of the others only what is in it counts. */
const WHOLE: ReadonlySet<string> = new Set([TYPE_URLS.listener, TYPE_URLS.cluster])
/** What leads to clusters. */
const LEADING: readonly string[] = [TYPE_URLS.listener, TYPE_URLS.routes]
const ORDER: readonly string[] = RESOURCE_TYPES.map((type) => TYPE_URLS[type])

/**
 * One state-of-the-world xDS stream as a state machine without I/O and clock. Level-triggered, with one response of a type in flight at a time. What a
 * client refused is not sent to it again: it is told the last version that it took.
 */
export class FullStream {
  readonly wakeAt = Number.POSITIVE_INFINITY
  readonly #events: StreamEvents
  readonly #asked = new Map<string, Asked>()
  #resources: ProxyResources | undefined
  #nonce = 0

  constructor(events: StreamEvents) {
    this.#events = events
  }

  retarget(resources: ProxyResources): void {
    this.#resources = resources
    for (const asked of this.#asked.values()) this.#look(asked)
  }

  request({ typeUrl, resourceNames, responseNonce, errorDetail }: FullRequest): void {
    const known = this.#asked.get(typeUrl)
    const asked = known ?? newlyAsked(typeUrl)
    // What was said before the last response came is said again after it.
    if (known && responseNonce !== asked.lastNonce) return
    this.#asked.set(typeUrl, asked)
    if (asked.inFlight) this.#answered(asked, asked.inFlight, errorDetail?.message)
    this.#ask(asked, resourceNames, !known)
    this.#look(asked)
  }

  next(_now: number): FullPush | undefined {
    if (!this.#resources) return undefined
    // The second time it is known whether what leads to clusters is as it should be.
    return this.#nextOf(this.#inOrder()) ?? this.#nextOf(this.#inOrder())
  }

  #nextOf(all: readonly Asked[]): FullPush | undefined {
    for (const asked of all) {
      if (asked.inFlight || !asked.outdated) continue
      const due = this.#due(asked)
      if (due) return this.#send(asked, due)
    }
    return undefined
  }

  types(answers: (url: string) => Answers): TypeStatus[] {
    return this.#inOrder().map((asked) => {
      const { counts, lastAck } = answers(asked.url)
      const wanted = wantedOf(asked)
      const pending = wanted.filter(({ name, version }) => asked.held.get(name)?.version !== version).length
      const rejected = [...asked.refused].map(([name, refusal]) => ({ name, ...refusal }))
      const state = counts.responses === 0 ? 'not sent' : pending > 0 ? 'stale' : 'synced'
      return {
        type: RESOURCE_TYPES.find((type) => TYPE_URLS[type] === asked.url) ?? asked.url,
        state: rejected.length > 0 ? 'rejected' : state,
        resources: wanted.length,
        pending,
        rejected,
        ...(lastAck === undefined ? {} : { lastAck }),
        counts: { ...counts },
      }
    })
  }

  /** Clusters before what leads to them. */
  #inOrder(): Asked[] {
    return [...this.#asked.values()].sort((a, b) => ORDER.indexOf(a.url) - ORDER.indexOf(b.url))
  }

  #look(asked: Asked): void {
    const type = RESOURCE_TYPES.find((type) => TYPE_URLS[type] === asked.url)
    const layers = (type && this.#resources?.[type]) ?? []
    if (layers.length !== asked.layers.length || layers.some((layer, i) => layer !== asked.layers[i]))
      asked.outdated = true
    asked.layers = layers
  }

  #ask(asked: Asked, names: readonly string[], first: boolean): void {
    const everything = names.includes('*') || (first && names.length === 0 && WHOLE.has(asked.url))
    const before = asked.names
    const stillEverything = !first && before === undefined && names.length === 0
    asked.names = everything || stillEverything ? undefined : new Set(names)
    const isNew = first || names.some((name) => before && !before.has(name))
    const isLess = before === undefined ? asked.names !== undefined : [...before].some((name) => !names.includes(name))
    if (!isNew && !isLess) return
    asked.outdated = true
    if (isNew && WHOLE.has(asked.url)) asked.owed = true
    for (const known of [asked.held, asked.refused])
      for (const name of known.keys()) if (asked.names && !asked.names.has(name)) known.delete(name)
  }

  #answered(asked: Asked, sent: readonly EncodedResource[], error: string | undefined): void {
    this.#events.answered?.(asked.url, error === undefined)
    const fresh = sent.filter(({ name, version }) => asked.held.get(name)?.version !== version)
    const suspects = error === undefined ? new Set<string>() : suspectsIn(namesOf(fresh), error)
    for (const resource of fresh) {
      const { name, version } = resource
      if (suspects.has(name)) {
        asked.refused.set(name, { version, error: error ?? '' })
        this.#events.rejected(resource, error ?? '', undefined)
      } else {
        asked.held.set(name, resource)
        if (asked.refused.delete(name)) this.#events.recovered(asked.url, name)
      }
    }
    const names = new Set(namesOf(sent))
    if (WHOLE.has(asked.url)) for (const name of asked.held.keys()) if (!names.has(name)) asked.held.delete(name)
    asked.inFlight = undefined
    asked.outdated = true
  }

  /** All that the next response has to hold; undefined where none is due. */
  #due(asked: Asked): readonly EncodedResource[] | undefined {
    const { held, refused, owed } = asked
    const resources = wantedOf(asked).flatMap((resource) => {
      const again = refused.get(resource.name)?.version === resource.version
      return again ? (held.get(resource.name) ?? []) : resource
    })
    const names = new Set(namesOf(resources))
    const gone = [...held.values()].filter(({ name }) => !names.has(name))
    // Nothing is to lead to a cluster that goes.
    const kept = asked.url === TYPE_URLS.cluster && gone.length > 0 && this.#isLeadingBehind()
    if (kept) resources.push(...gone)
    const differs = resources.some(({ name, version }) => held.get(name)?.version !== version)
    const lacks = !kept && gone.length > 0 && WHOLE.has(asked.url)
    if (!kept) asked.outdated = false
    return differs || lacks || owed ? resources : undefined
  }

  #isLeadingBehind(): boolean {
    return LEADING.some((url) => {
      const leading = this.#asked.get(url)
      return leading !== undefined && (leading.inFlight !== undefined || leading.outdated)
    })
  }

  #send(asked: Asked, resources: readonly EncodedResource[]): FullPush {
    this.#nonce += 1
    const nonce = this.#nonce.toString(36)
    asked.lastNonce = nonce
    asked.inFlight = resources
    asked.owed = false
    return { url: asked.url, nonce, resources, removed: [], version: versionOf(resources) }
  }
}

function newlyAsked(url: string): Asked {
  return {
    url,
    names: new Set(),
    layers: [],
    held: new Map(),
    refused: new Map(),
    lastNonce: '',
    inFlight: undefined,
    outdated: true,
    owed: false,
  }
}

/** What there is of what was asked for, and can be sent. */
function wantedOf({ names, layers }: Asked): EncodedResource[] {
  const existing = names ? [...names].flatMap((name) => lookup(layers, name) ?? []) : [...allResources(layers)]
  return existing.filter(({ problem }) => problem === undefined)
}

function namesOf(resources: readonly EncodedResource[]): string[] {
  return resources.map(({ name }) => name)
}

/** The same for the same resources, after a restart of the server, too. */
function versionOf(resources: readonly EncodedResource[]): string {
  const hash = createHash('sha256')
  for (const { name, version } of resources) hash.update(`${name}\n${version}\n`)
  return hash.digest('base64url').slice(0, 16)
}
