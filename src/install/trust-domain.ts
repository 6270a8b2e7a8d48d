import { SERVER_NAME } from '../resources/cluster-names.ts'
import { namesIn } from '../resources/names-in.ts'
import type { ApiServer } from '../sources/kubernetes/api-server.ts'
import { readLive } from '../sources/kubernetes/write.ts'
import type { Values } from './template.ts'

interface Servers {
  readonly template?: {
    readonly spec?: { readonly containers?: readonly { readonly env?: readonly Variable[] }[] }
  }
}

interface Variable {
  readonly name: string
  readonly value?: string
}

/** Who does not know a name would refuse all who have got it: it has to be an alias first. @throws Error saying how it gets to be one */
export async function refuseOtherTrustDomain(server: ApiServer, values: Values): Promise<void> {
  const at = { apiVersion: 'apps/v1', metadata: { name: SERVER_NAME, namespace: String(values['namespace']) } }
  const found = await Promise.all(['Deployment', 'StatefulSet'].map((kind) => readLive(server, { ...at, kind })))
  const problem = found.map((each) => each && otherTrustDomain(each['spec'], values)).find((each) => each !== undefined)
  if (problem !== undefined) throw new Error(problem)
}

/** Why an installation cannot have the trust domain that is wanted, where it cannot. @param spec of its servers */
export function otherTrustDomain(spec: unknown, values: Values): string | undefined {
  const variables = ((spec ?? {}) as Servers).template?.spec?.containers?.[0]?.env ?? []
  const said = (name: string) => variables.find((variable) => variable.name === name)?.value ?? ''
  const [now, aliases] = [said('WEFT_TRUST_DOMAIN'), namesIn(said('WEFT_TRUST_DOMAIN_ALIASES'))]
  const wanted = String(values['trustDomain'])
  if (now === '' || now === wanted) return undefined
  if (!aliases.includes(wanted))
    return `the trust domain is ${now}, and nobody knows ${wanted} yet: first install with --set trustDomain=${now} --set trustDomainAliases=${wanted}, and when weft proxy-status says that every proxy has it, with --set trustDomain=${wanted} --set trustDomainAliases=${now}`
  if (namesIn(String(values['trustDomainAliases'])).includes(now)) return undefined
  return `certificates of ${now} are still in use: add --set trustDomainAliases=${now} until weft ca certificates shows none`
}
