import { create } from '@bufbuild/protobuf'
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '#envoy/service/discovery/v3/discovery'
import type { Log } from '../identity/log.ts'
import { Confirmations } from './sds-confirmations.ts'
import { ROOTS_SECRET, SECRET_TYPE_URL, type ServedSecret, WORKLOAD_SECRET } from './sds-secrets.ts'

/** The secrets to serve now, by name; undefined before the first certificate. */
export type Secrets = ReadonlyMap<string, ServedSecret> | undefined

/** The part of a gRPC server stream that is used here. */
export interface SdsCall<Request, Response> {
  on(event: 'data', listener: (request: Request) => void): unknown
  write(response: Response): unknown
}

/** Sends what the other end subscribed to and does not have in this version. */
export type Push = () => void

/** Said to the other end, once, of a name that we have no secret for. */
const NONE = Symbol('none')

/**
 * Answers a stream in the incremental variant. The first request may say which versions Envoy has from before it
 * reconnected; those are not sent again. A name that we have no secret for is said to be removed.
 */
export function serveDeltaStream(
  call: SdsCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>,
  current: () => Secrets,
  log: Log,
  confirmations = new Confirmations(),
): Push {
  /** What Envoy was last sent, by name that it subscribed to. */
  const sent = new Map<string, string | typeof NONE | undefined>()
  let nonce = 0
  const push = () => {
    const secrets = current()
    if (!secrets) return
    const response = create(DeltaDiscoveryResponseSchema, { typeUrl: SECRET_TYPE_URL })
    for (const [name, last] of sent) {
      const secret = secrets.get(name)
      if ((secret?.version ?? NONE) === last) continue
      sent.set(name, secret?.version ?? NONE)
      if (secret) response.resources.push(create(ResourceSchema, { name, ...secret }))
      else response.removedResources.push(name)
    }
    if (response.resources.length + response.removedResources.length === 0) return
    response.nonce = String(++nonce)
    confirmations.sent(response.nonce, new Map(response.resources.map(({ name, version }) => [name, version])))
    call.write(response)
  }
  call.on('data', (request) => {
    logRejection(request, log)
    if (request.responseNonce !== '') confirmations.answered(request.responseNonce, !request.errorDetail)
    for (const name of request.resourceNamesUnsubscribe) {
      sent.delete(name)
      confirmations.unsubscribed(name)
    }
    for (const name of request.resourceNamesSubscribe) {
      logUnknown(name, log)
      confirmations.subscribed(name, request.initialResourceVersions[name])
      // Also where it was subscribed to already: Envoy asks again for what it no longer has.
      sent.set(name, request.initialResourceVersions[name])
    }
    push()
  })
  return push
}

/** Answers a stream in the state-of-the-world variant: each response has all secrets that the last request named. */
export function serveFullStream(
  call: SdsCall<DiscoveryRequest, DiscoveryResponse>,
  current: () => Secrets,
  log: Log,
  confirmations = new Confirmations(),
): Push {
  let names: readonly string[] = []
  let sent = ''
  let nonce = 0
  const push = () => {
    const secrets = current()
    if (!secrets) return
    const wanted = names.flatMap((name) => secrets.get(name) ?? [])
    const versionInfo = wanted.map(({ version }) => version).join('+')
    if (versionInfo === sent || wanted.length === 0) return
    sent = versionInfo
    nonce++
    const versions = names.flatMap((name) => {
      const version = secrets.get(name)?.version
      return version === undefined ? [] : [[name, version] as const]
    })
    confirmations.sent(String(nonce), new Map(versions))
    call.write(
      create(DiscoveryResponseSchema, {
        versionInfo,
        typeUrl: SECRET_TYPE_URL,
        nonce: String(nonce),
        resources: wanted.map(({ resource }) => resource),
      }),
    )
  }
  call.on('data', (request) => {
    logRejection(request, log)
    // An answer to a response that a newer one has replaced: the answer to the newer one is on its way.
    if (request.responseNonce !== '' && request.responseNonce !== String(nonce)) return
    for (const name of request.resourceNames) if (!names.includes(name)) logUnknown(name, log)
    for (const name of names) if (!request.resourceNames.includes(name)) confirmations.unsubscribed(name)
    names = request.resourceNames
    for (const name of names) confirmations.subscribed(name)
    if (request.responseNonce !== '') confirmations.answered(request.responseNonce, !request.errorDetail)
    push()
  })
  return push
}

function logRejection(request: DiscoveryRequest | DeltaDiscoveryRequest, log: Log): void {
  if (!request.errorDetail) return
  log(
    'error',
    `Envoy ${request.node?.id ?? ''} refused a secret, and keeps the one before: ${request.errorDetail.message}`,
  )
}

function logUnknown(name: string, log: Log): void {
  if (name === WORKLOAD_SECRET || name === ROOTS_SECRET) return
  log('warning', `Envoy asks for the secret ${JSON.stringify(name)}; there are ${WORKLOAD_SECRET} and ${ROOTS_SECRET}`)
}
