import type { Log } from '../identity/log.ts'
import { type KnownProvider, type KnownProviders, knownProvidersMap } from '../mesh/sign-on/known-providers.ts'
import { wantsDiscovery } from '../mesh/sign-on/oidc-policies.ts'
import { readProviderMetadata } from '../sources/oidc/provider-metadata.ts'
import { sameValue } from '../store/same-value.ts'
import type { Snapshot } from '../store/snapshot.ts'
import { SourceState, type Store } from '../store/store.ts'

/** What outlives a server, so that sessions go on where a provider is away while it starts. */
export interface ProviderMemory {
  /** What was known last; empty where nothing is. */
  read(): Promise<KnownProviders>
  write(known: KnownProviders): Promise<void>
}

export interface OidcProvidersOptions {
  readonly store: Store
  readonly memory: ProviderMemory
  readonly log: Log
  readonly signal: AbortSignal
  /** How one is asked; readProviderMetadata where absent. */
  readonly ask?: typeof readProviderMetadata
}

/** A provider that answered is asked again after this time, in ms. */
const AGAIN_MS = 3_600_000
/** One that did not, after the first, then twice as long each time, up to the second. */
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 300_000

/** Asks the OpenID providers that OIDCPolicies name where their endpoints are, and has the store's Snapshot hold it, until `signal` ends it. */
export async function followOidcProviders(options: OidcProvidersOptions): Promise<void> {
  const { store, memory, log, signal, ask = readProviderMetadata } = options
  const remembered = await memory.read().catch((error: Error): KnownProviders => {
    log('warning', `cannot read what is remembered of OpenID providers: ${error.message}`)
    return {}
  })
  const state = new SourceState()
  const asked = new Map<string, Asked>()
  let told: KnownProviders = {}

  const tell = () => {
    const known = Object.fromEntries([...asked].flatMap(([issuer, { found }]) => (found ? [[issuer, found]] : [])))
    if (signal.aborted || sameValue(known, told)) return
    told = known
    store.apply(state.replace(asked.size === 0 ? [] : [knownProvidersMap(known)]))
    const worthKeeping = Object.fromEntries(Object.entries(known).filter(([, found]) => !('problem' in found)))
    memory
      .write(worthKeeping)
      .catch((error: Error) => log('warning', `cannot remember OpenID providers: ${error.message}`))
  }
  const askOne = async (issuer: string, entry: Asked): Promise<void> => {
    try {
      entry.found = await ask(issuer, AbortSignal.any([signal, entry.end.signal]))
      entry.wait = undefined
    } catch (error) {
      if (entry.end.signal.aborted || signal.aborted) return
      const { message } = error as Error
      // What it said before is true until it says something else.
      if (!entry.found || 'problem' in entry.found) entry.found = { problem: message }
      if (entry.wait === undefined) log('warning', `OpenID provider ${issuer} ${message}`)
      entry.wait = Math.min(LONGEST_RETRY_MS, (entry.wait ?? FIRST_RETRY_MS / 2) * 2)
    }
    if (asked.get(issuer) !== entry || signal.aborted) return
    tell()
    entry.timer = setTimeout(() => void askOne(issuer, entry), entry.wait ?? AGAIN_MS).unref()
  }
  const look = (snapshot: Snapshot) => {
    const wanted = issuersOf(snapshot)
    for (const [issuer, { end, timer }] of asked) {
      if (wanted.has(issuer)) continue
      end.abort()
      clearTimeout(timer)
      asked.delete(issuer)
    }
    for (const issuer of wanted) {
      if (asked.has(issuer)) continue
      const entry: Asked = { found: remembered[issuer], end: new AbortController(), wait: undefined, timer: undefined }
      asked.set(issuer, entry)
      void askOne(issuer, entry)
    }
    tell()
  }

  if (signal.aborted) return
  const end = store.subscribe((now, before) => {
    if (now.all('security.weft.dev/OIDCPolicy') !== before.all('security.weft.dev/OIDCPolicy')) look(now)
  })
  signal.addEventListener('abort', () => {
    end()
    for (const { timer } of asked.values()) clearTimeout(timer)
  })
  look(store.snapshot)
}

interface Asked {
  found: KnownProvider | undefined
  readonly end: AbortController
  /** In ms, until it is asked again; undefined after an answer. */
  wait: number | undefined
  timer: NodeJS.Timeout | undefined
}

function issuersOf(snapshot: Snapshot): ReadonlySet<string> {
  const policies = snapshot.all('security.weft.dev/OIDCPolicy')
  return new Set(
    [...policies.values()].flatMap(({ spec }) => (spec && wantsDiscovery(spec) ? [spec.provider.issuer] : [])),
  )
}
