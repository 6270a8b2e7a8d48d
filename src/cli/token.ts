import { type Command, InvalidArgumentError } from 'commander'
import { type Host, hasJoined, hostsIn, inviteHost, revokeHost } from '../identity/hosts.ts'
import { formatSpiffeId } from '../identity/spiffe.ts'
import { parseDuration } from '../resources/duration.ts'
import type { WorkloadGroup } from '../resources/istio.ts'
import { callerOf, operated } from './ca-operation.ts'
import { addCaOptions, type CaOptions, type CaPlace, caPlace } from './ca-place.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { table } from './table.ts'

/** `weft token` */
export function define(command: Command): void {
  command.description(
    'Tokens by which hosts outside of clusters join: each is for one host and one identity, works once, and expires. Kept as hashes, with the certificate authority.',
  )
  defineCreate(command.command('create').summary('invite a host'))
  defineList(command.command('list').summary('tell which hosts were invited'))
  defineRevoke(command.command('revoke').summary('end what a host may'))
}

interface CreateOptions extends CaOptions {
  readonly serviceAccount?: string
  readonly workloadGroup?: string
  /** In ms. */
  readonly ttl: number
}

const HOUR_MS = 3_600_000
const LONGEST_MS = 7 * 24 * HOUR_MS

function defineCreate(command: Command): void {
  command
    .description(
      'Prints a token, once: give it to the host over a channel that you trust, for weft agent join. Another token for the same host ends the one before.',
    )
    .argument('<host>', 'what to call the host')
    .option('--service-account <namespace/name>', 'whose identity its workload has')
    .option(
      '--workload-group <namespace/name>',
      'the WorkloadGroup that it is a member of, with its service account: then its proxy is configured, too',
    )
    .option('--ttl <time>', 'how long the token is good', life, HOUR_MS)
    .action(async (name: string, { serviceAccount, workloadGroup, ttl, ...which }: CreateOptions) => {
      const place = await caPlace(which)
      const account = await accountOf(place, serviceAccount, workloadGroup)
      const identity = formatSpiffeId({ kind: 'workload', trustDomain: place.trustDomain, ...account })
      const by = await callerOf(place)
      const token = await inviteHost(
        place.store,
        place.trustDomain,
        { name, identity, ...(workloadGroup === undefined ? {} : { group: workloadGroup }), lifeMs: ttl, by },
        Date.now(),
      ).catch((error: Error) => {
        throw new Failure(error.message, 'nothing has changed')
      })
      await operated(place, 'token.create', { about: `host ${name} as ${identity}` })
      await print(`${token}\n`)
    })
  addCaOptions(command)
  withExamples(command, [
    ['for a host that runs a database', 'weft token create db-1 --service-account shop/db'],
    ['for one of a WorkloadGroup, good for ten minutes', 'weft token create db-1 --workload-group shop/db --ttl 10m'],
  ])
}

function defineList(command: Command): void {
  command
    .description(
      'Lists hosts that were invited: as whom, by whom, and whether the token was used. Tokens are not kept.',
    )
    .addOption(outputOption())
    .action(async ({ output, ...which }: CaOptions & { readonly output?: OutputFormat }) => {
      const { store } = await caPlace(which)
      const entries = await store.read()
      const hosts = hostsIn(entries).map(({ token: _, ...host }, i) => ({
        ...host,
        state: stateOf(host, hasJoined(entries, hostsIn(entries)[i] as Host), Date.now()),
      }))
      if (output) return print(await structured(output, hosts))
      if (hosts.length === 0) return print('No host was invited.\n')
      const rows = hosts.map(({ name, identity, state, expires, by }) => [name, identity, state, expires, by])
      return print(table(['HOST', 'IDENTITY', 'TOKEN', 'EXPIRES', 'BY'], rows))
    })
  addCaOptions(command)
  withExamples(command, [['of the mesh on a cluster', 'weft token list --context prod']])
}

function defineRevoke(command: Command): void {
  command
    .description(
      'Ends what a host may: its token, where it is not used yet, and certificates from now on. Those that it has end within their lives; to let it in nowhere at once, block its agent and its identity: weft ca block.',
    )
    .argument('<host>', 'what it is called')
    .action(async (name: string, which: CaOptions) => {
      const place = await caPlace(which)
      if (!(await revokeHost(place.store, name)))
        throw new Failure(`no host ${name} was invited`, 'see which were: weft token list')
      await operated(place, 'token.revoke', { about: `host ${name}` })
      await print(`Host ${name} gets no certificates any more.\n`)
    })
  addCaOptions(command)
  withExamples(command, [['a host that is given back', 'weft token revoke db-1']])
}

interface Account {
  readonly namespace: string
  readonly serviceAccount: string
}

async function accountOf({ mesh }: CaPlace, account: string | undefined, group: string | undefined): Promise<Account> {
  if ((account === undefined) === (group === undefined))
    throw new Failure('whose identity the host has is to be said', 'give --service-account or --workload-group')
  const [namespace = '', name = '', ...more] = (account ?? group ?? '').split('/')
  if (namespace === '' || name === '' || more.length > 0)
    throw new Failure(`"${account ?? group}" names nothing`, 'write NAMESPACE/NAME')
  if (account !== undefined) return { namespace, serviceAccount: name }
  if (!mesh) throw new Failure('the mesh does not run, which knows the WorkloadGroup', 'give --service-account')
  const groups = await mesh.get<readonly WorkloadGroup[]>('resources/networking.istio.io%2FWorkloadGroup')
  const found = groups.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  if (!found) throw new Failure(`there is no WorkloadGroup ${group}`, 'see which there are: weft get workloadgroups -A')
  return { namespace, serviceAccount: found.spec?.template?.serviceAccount || 'default' }
}

function stateOf({ expires }: Pick<Host, 'expires'>, used: boolean, now: number): 'used' | 'expired' | 'unused' {
  return used ? 'used' : Date.parse(expires) <= now ? 'expired' : 'unused'
}

function life(text: string): number {
  const parsed = parseDuration(text)
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.problem}; write one such as 10m or 24h`)
  if (parsed.milliseconds > LONGEST_MS) throw new InvalidArgumentError('a week is the longest')
  return parsed.milliseconds
}
