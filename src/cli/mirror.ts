import { type Command, Option } from 'commander'
import { parseShare } from '../management/releases/shares.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { addReleaseOptions, Release, type ReleaseOptions, refused, writtenAsAsked } from './releases/release.ts'

interface Options extends ReleaseOptions {
  readonly off?: boolean
}

/** `weft mirror` */
export function define(command: Command): void {
  command
    .description(
      'Sends a copy of a share of the requests to a service to one more of its versions, whose answers nobody sees: real traffic for what is not released yet. It writes an ordinary VirtualService or HTTPRoute, as weft shift does. What the copies do (orders, mails) they do twice.',
    )
    .argument('<service>', 'NAME, NAME.NAMESPACE or its full host name')
    .argument('[share]', 'VERSION=PERCENT of the requests')
    .addOption(new Option('--off', 'no copies any more'))
  addReleaseOptions(command)
  command.action(run)
  withExamples(command, [
    ['copies of a tenth of the requests to v2', 'weft mirror reviews v2=10'],
    ['none any more', 'weft mirror reviews --off'],
  ])
}

async function run(service: string, share: string | undefined, options: Options): Promise<void> {
  if ((share === undefined) !== (options.off ?? false))
    throw new Failure('either VERSION=PERCENT or --off is needed', 'write one of them, such as v2=10')
  const [version, percent] = share === undefined ? [] : refused(() => parseShare(share))
  const release = await Release.of(service, options)
  const mirror = version === undefined || percent === undefined || percent === 0 ? undefined : { version, percent }
  const text = `${release.host}: ${mirror ? `copies of ${mirror.percent} % to ${mirror.version}` : 'no copies'}\n`
  await writtenAsAsked(release, await release.planMirror(mirror), options, text)
}
