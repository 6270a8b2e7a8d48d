import type { Node } from '#envoy/config/core/v3/base'
import { unapprovedEnvoy } from '../identity/approved-cryptography.ts'
import type { AdsServerOptions, Refusal } from '../xds/ads-server.ts'

/** Lets only proxies in whose build says that its cryptography is validated, where that is required. */
export function approvedOnly(
  required: boolean,
  authenticate: AdsServerOptions['authenticate'],
): AdsServerOptions['authenticate'] {
  if (!required) return authenticate
  return async (caller, node) => {
    const refused = unapprovedEnvoy(libraryOf(node))
    return refused === undefined ? authenticate(caller, node) : ({ refused } satisfies Refusal)
  }
}

/** `ssl.version` of the build that a node says it is. */
function libraryOf(node: Node | undefined): string {
  const version = node?.userAgentVersionType
  const told = version?.case === 'userAgentBuildVersion' ? version.value.metadata?.['ssl.version'] : undefined
  return typeof told === 'string' ? told : ''
}
