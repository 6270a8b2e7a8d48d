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
  const problem = (await serversThere(server, values))
    .map((spec) => otherTrustDomain(spec, values))
    .find((each) => each !== undefined)
  if (problem !== undefined) throw new Error(problem)
}

/** Whether an installation that is there gets another trust domain, or other names of it: a step that proxies have to confirm. */
export async function changesTrustDomain(server: ApiServer, values: Values): Promise<boolean> {
  return (await serversThere(server, values)).some((spec) => namesChange(spec, values))
}

/** What servers that are there are made by. */
async function serversThere(server: ApiServer, values: Values): Promise<readonly unknown[]> {
  const at = { apiVersion: 'apps/v1', metadata: { name: SERVER_NAME, namespace: String(values['namespace']) } }
  const found = await Promise.all(['Deployment', 'StatefulSet'].map((kind) => readLive(server, { ...at, kind })))
  return found.flatMap((each) => (each ? [each['spec']] : []))
}

/** @param spec of servers */
export function namesChange(spec: unknown, values: Values): boolean {
  const { now, aliases } = namesOf(spec)
  const wanted = namesIn(String(values['trustDomainAliases']))
  const isSame = aliases.length === wanted.length && aliases.every((alias) => wanted.includes(alias))
  return now !== '' && !(now === String(values['trustDomain']) && isSame)
}

function namesOf(spec: unknown): { readonly now: string; readonly aliases: readonly string[] } {
  const variables = ((spec ?? {}) as Servers).template?.spec?.containers?.[0]?.env ?? []
  const said = (name: string) => variables.find((variable) => variable.name === name)?.value ?? ''
  return { now: said('WEFT_TRUST_DOMAIN'), aliases: namesIn(said('WEFT_TRUST_DOMAIN_ALIASES')) }
}

/** Why an installation cannot have the trust domain that is wanted, where it cannot. @param spec of its servers */
export function otherTrustDomain(spec: unknown, values: Values): string | undefined {
  const { now, aliases } = namesOf(spec)
  const wanted = String(values['trustDomain'])
  if (now === '' || now === wanted) return undefined
  if (!aliases.includes(wanted))
    return `the trust domain is ${now}, and nobody knows ${wanted} yet: first install with --set trustDomain=${now} --set trustDomainAliases=${wanted}, and when weft proxy-status says that every proxy has it, with --set trustDomain=${wanted} --set trustDomainAliases=${now}`
  if (namesIn(String(values['trustDomainAliases'])).includes(now)) return undefined
  return `certificates of ${now} are still in use: add --set trustDomainAliases=${now} until weft ca certificates shows none`
}
