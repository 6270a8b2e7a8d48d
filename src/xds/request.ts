import { BinaryReader } from '@bufbuild/protobuf/wire'

/** What Weft reads of envoy.service.discovery.v3.DeltaDiscoveryRequest. */
export interface DeltaRequest {
  /** A serialized envoy.config.core.v3.Node; absent in all but the first request of a stream. */
  readonly node?: Uint8Array
  readonly typeUrl: string
  readonly resourceNamesSubscribe: readonly string[]
  readonly resourceNamesUnsubscribe: readonly string[]
  readonly initialResourceVersions: Readonly<Record<string, string>>
  readonly responseNonce: string
  readonly errorDetail?: { readonly message: string } | undefined
}

/**
 * Reads a DeltaDiscoveryRequest. Most of them are short answers, and the long ones name what hundreds of other proxies name in the same bytes: they
 * share one list. Throws where the bytes are no protobuf.
 */
export function readRequest(bytes: Uint8Array): DeltaRequest {
  const reader = new BinaryReader(bytes)
  let node: Uint8Array | undefined
  let typeUrl = ''
  let subscribe: readonly string[] = NO_NAMES
  let unsubscribe: string[] | undefined
  let versions: Record<string, string> | undefined
  let responseNonce = ''
  let errorDetail: { readonly message: string } | undefined
  while (reader.pos < reader.len) {
    const start = reader.pos
    const [field, wireType] = reader.tag()
    switch (field) {
      case 1:
        node = reader.bytes()
        break
      case 2:
        typeUrl = reader.string()
        break
      case SUBSCRIBE: {
        reader.skip(wireType, field)
        const names = namesIn(bytes.subarray(start, endOfNames(reader)))
        subscribe = subscribe.length === 0 ? names : [...subscribe, ...names]
        break
      }
      case 4:
        unsubscribe ??= []
        unsubscribe.push(reader.string())
        break
      case 5: {
        const [name, version] = readEntry(reader)
        // Without a prototype, as names come from outside.
        versions ??= Object.create(null) as Record<string, string>
        versions[name] = version
        break
      }
      case 6:
        responseNonce = reader.string()
        break
      case 7:
        errorDetail = { message: readStatus(reader) }
        break
      default:
        reader.skip(wireType, field)
    }
  }
  return {
    ...(node ? { node } : {}),
    typeUrl,
    resourceNamesSubscribe: subscribe,
    resourceNamesUnsubscribe: unsubscribe ?? NO_NAMES,
    initialResourceVersions: versions ?? NO_VERSIONS,
    responseNonce,
    errorDetail,
  }
}

const SUBSCRIBE = 3
const NO_NAMES: readonly string[] = []
const NO_VERSIONS: Readonly<Record<string, string>> = {}

/** Goes on to the end of a run of names. */
function endOfNames(reader: BinaryReader): number {
  while (reader.pos < reader.len) {
    const start = reader.pos
    const [field, wireType] = reader.tag()
    if (field !== SUBSCRIBE) {
      reader.pos = start
      break
    }
    reader.skip(wireType, field)
  }
  return reader.pos
}

interface KnownNames {
  readonly bytes: Buffer
  readonly names: readonly string[]
}

/** Long lists of names that were read lately, the latest first. */
const known: KnownNames[] = []
const MOST_KNOWN = 32
/** Bytes from which a list is worth keeping. */
const WORTH_KNOWING = 1024

function namesIn(bytes: Uint8Array): readonly string[] {
  if (bytes.length < WORTH_KNOWING) return readNames(bytes)
  const at = known.findIndex((each) => each.bytes.equals(bytes))
  const found = at < 0 ? { bytes: Buffer.from(bytes), names: readNames(bytes) } : (known[at] as KnownNames)
  if (at > 0) known.splice(at, 1)
  if (at !== 0) known.unshift(found)
  if (known.length > MOST_KNOWN) known.pop()
  return found.names
}

function readNames(bytes: Uint8Array): readonly string[] {
  const reader = new BinaryReader(bytes)
  const names: string[] = []
  while (reader.pos < reader.len) {
    reader.tag()
    names.push(reader.string())
  }
  return names
}

/** An entry of a `map<string, string>`. */
function readEntry(reader: BinaryReader): [string, string] {
  const end = reader.uint32() + reader.pos
  const entry: [string, string] = ['', '']
  while (reader.pos < end) {
    const [field, wireType] = reader.tag()
    if (field === 1 || field === 2) entry[field - 1] = reader.string()
    else reader.skip(wireType, field)
  }
  return entry
}

/** The message of a google.rpc.Status. */
function readStatus(reader: BinaryReader): string {
  const end = reader.uint32() + reader.pos
  let message = ''
  while (reader.pos < end) {
    const [field, wireType] = reader.tag()
    if (field === 2) message = reader.string()
    else reader.skip(wireType, field)
  }
  return message
}
