import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Audience, parseAudience } from '../management/releases/audience.ts'
import { NoShift, parseShares } from '../management/releases/shares.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import {
  addReleaseOptions,
  Release,
  type ReleaseOptions,
  refused,
  sharesText,
  writtenAsAsked,
} from './releases/release.ts'

interface Options extends ReleaseOptions {
  readonly header?: Audience
  readonly cookie?: Audience
  readonly remove?: boolean
}

/** `weft shift` */
export function define(command: Command): void {
  command
    .description(
      'Spreads the requests to a service over its versions, by an ordinary VirtualService or HTTPRoute: the one that routes the service is changed, or one is made, with a DestinationRule where there is none. With --header or --cookie it is for those requests alone (A/B). On a laptop it is written to the file that it stands in, on a cluster to the API server.',
    )
    .argument('<service>', 'NAME, NAME.NAMESPACE or its full host name')
    .argument(
      '[share...]',
      'VERSION=PERCENT for each version; they add up to 100. A version is a subset, or for HTTPRoutes a Service of its own (its name, or what it adds to that of the whole)',
    )
    .addOption(
      new Option('--header <name=value>', 'only requests with this header')
        .argParser(audience('header'))
        .conflicts('cookie'),
    )
    .option('--cookie <name=value>', 'only requests with this cookie', audience('cookie'))
    .option('--remove', 'treat requests with the header or cookie as all others again')
  addReleaseOptions(command)
  command.action(run)
  withExamples(command, [
    ['a tenth of the requests to the new version', 'weft shift reviews v1=90 v2=10'],
    ['all of them: blue-green', 'weft shift reviews v2=100'],
    ['one user to the new version', 'weft shift reviews v2=100 --header end-user=jason'],
    ['halves of those who agreed to it', 'weft shift reviews v1=50 v2=50 --cookie beta=yes'],
    ['no more of that', 'weft shift reviews --cookie beta=yes --remove'],
    ['for a commit', 'weft shift reviews v1=90 v2=10 --dry-run -o yaml'],
  ])
}

async function run(service: string, words: readonly string[], options: Options): Promise<void> {
  const whose = options.header ?? options.cookie
  if (options.remove) {
    if (!whose) throw new Failure('--remove does not say whose rule', 'name it with --header or --cookie')
    if (words.length > 0)
      throw new Failure(`--remove takes no shares, and there is ${words[0]}`, 'leave one of them out')
    const release = await Release.of(service, options)
    const text = `${release.host}: requests with ${whose.name}=${whose.value} as all others\n`
    return writtenAsAsked(release, await release.planNoAudience(whose), options, text)
  }
  if (words.length === 0)
    throw new Failure('no shares are given', 'write VERSION=PERCENT for each version, such as v1=90 v2=10')
  const shares = refused(() => parseShares(words))
  const release = await Release.of(service, options)
  const shift = await release.plan(shares, whose)
  const who = whose ? `, requests with ${whose.name}=${whose.value}` : ''
  const text = `${release.host}${who}: ${sharesText(shift.before)} → ${sharesText(shares)}\n`
  await writtenAsAsked(release, shift, options, text)
}

function audience(by: Audience['by']): (word: string) => Audience {
  return (word) => {
    try {
      return parseAudience(by, word)
    } catch (error) {
      if (error instanceof NoShift) throw new InvalidArgumentError(`${error.message}: ${error.remedy}.`)
      throw error
    }
  }
}
