import { type Command, Option } from 'commander'
import { parse } from 'yaml'
import { PROFILES, type Profile, parseSet, settingValues } from '../install/settings.ts'
import type { Values } from '../install/template.ts'
import { SYSTEM_NAMESPACE } from '../resources/cluster-names.ts'
import { Failure } from './failure.ts'

/** Options of commands that are about an installation. */
export interface InstallOptions {
  readonly profile: Profile
  readonly namespace: string
  readonly revision?: string
  readonly set: readonly string[]
}

export function addInstallOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--profile <profile>', 'what the settings are to begin with').choices(PROFILES).default('default'),
    )
    .option('-n, --namespace <namespace>', 'where Weft is to live', SYSTEM_NAMESPACE)
    .option(
      '--revision <name>',
      'namespaces and pods labelled istio.io/rev=NAME get proxies; short for --set revision=NAME',
    )
    .option(
      '--set <path=value>',
      'a setting, such as server.replicas=2; may be given several times',
      (word, words: readonly string[]) => [...words, word],
      [],
    )
}

/** What the options come to. @throws Failure naming the setting that is wrong */
export function chosenValues({ profile, namespace, revision, set }: InstallOptions): Values {
  try {
    const revisions = revision === undefined ? {} : { revision }
    return settingValues({ profile, namespace, set: { ...parseSet(set, parse), ...revisions } })
  } catch (error) {
    const [problem = '', remedy = ''] = (error as Error).message.split('; ')
    throw new Failure(problem, remedy)
  }
}

/** `--timeout`, in seconds. */
export function timeoutOption(): Option {
  return new Option('--timeout <seconds>', 'how long each step may take').default(300).argParser((text) => {
    const seconds = Number(text)
    if (!(seconds > 0)) throw new Failure(`--timeout ${text} is no time`, 'write a number of seconds, such as 60')
    return seconds
  })
}
