import { hkdfSync } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret'
import { secretData } from '../../mesh/key-pair.ts'
import type { SignOn } from '../../mesh/sign-on/oidc-policies.ts'
import { keyOf } from '../../resources/resource.ts'
import type { OIDCPolicy } from '../../resources/security.ts'
import { deriveFlatMap } from '../../store/derive.ts'
import type { PersistentMap } from '../../store/persistent-map.ts'
import { type EncodedResource, encoder } from '../encoded-resource.ts'

/** What a policy's secrets are called on the way to its gateways. */
export function secretNames(policy: OIDCPolicy): { readonly client: string; readonly cookies: string } {
  return { client: `oidc://${keyOf(policy)}/client-secret`, cookies: `oidc://${keyOf(policy)}/cookie-key` }
}

/** The secrets of policies, for gateways that these are for. */
export function signOnSecrets(signOns: PersistentMap<SignOn>): PersistentMap<EncodedResource> {
  return secrets([signOns])
}

const encode = encoder('secret', SecretSchema)

const secrets = deriveFlatMap<[PersistentMap<SignOn>], [], EncodedResource>(
  'translate/sign-on/secrets',
  (_, [signOn]) => {
    if (!signOn || 'problem' in signOn.ready) return []
    const { policy, ready } = signOn
    const client = secretData(ready.secret, 'client-secret') ?? Buffer.alloc(0)
    const cookies = secretData(ready.secret, 'cookie-key') ?? cookieKey(client, policy)
    const names = secretNames(policy)
    const sources = [ready.secret, policy]
    const made = (name: string, value: Buffer) => {
      const secret = { specifier: { case: 'inlineBytes' as const, value } }
      const message = create(SecretSchema, { name, type: { case: 'genericSecret', value: { secret } } })
      return [name, encode({ name, message, sources })] as const
    }
    return [made(names.client, client), made(names.cookies, cookies)]
  },
)

/** The same at all replicas and after every start, without anybody keeping it. One way only: who knows it does not know the client's secret. */
function cookieKey(clientSecret: Buffer, policy: OIDCPolicy): Buffer {
  const bytes = hkdfSync('sha256', clientSecret, '', `weft cookies of OIDCPolicy ${keyOf(policy)}`, 32)
  return Buffer.from(Buffer.from(bytes).toString('base64url'))
}
