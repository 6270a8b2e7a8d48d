import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { trafficOfApplications } from '../../adoption/evidence/application-traffic.ts'
import type { Observed } from '../../adoption/evidence/observed.ts'
import { draftsOfBackstage } from '../../adoption/inventory/backstage.ts'
import { checkInventory } from '../../adoption/inventory/check.ts'
import { draftsOfCsv } from '../../adoption/inventory/csv.ts'
import { readApplications, writeApplications } from '../../adoption/inventory/folder.ts'
import type { Draft, Drafts } from '../../adoption/inventory/inventory.ts'
import { applicationText, type MergedApplication, mergeDrafts } from '../../adoption/inventory/merge.ts'
import { draftsOfEstate, type Grouping } from '../../adoption/inventory/of-estate.ts'
import type { Message } from '../../resources/message.ts'
import { parseYaml } from '../../resources/parse.ts'
import { isKind } from '../../resources/resource.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { counted, messageBlock, summary } from '../message-text.ts'
import { print } from '../output-format.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { addEstateOptions, type EstateOptions, givenEstate } from './given-estate.ts'
import { addTrafficOption, givenTraffic, type TrafficOptions } from './given-traffic.ts'

interface Options extends EstateOptions, TrafficOptions, FolderOption {
  readonly csv?: readonly string[]
  readonly backstage?: readonly string[]
  readonly teams?: string
  readonly groupBy: Grouping
  readonly namespace: string
  readonly dryRun?: boolean
}

/** `weft adopt import` */
export function defineImport(command: Command): void {
  command.description(
    'Lists applications as Application objects, a file for each, to be completed and kept in git: from a cluster, from YAML, from CSV, from a Backstage catalogue, or several of them at once. What people have written stays; only what is absent is filled in. ' +
      'Tells of overlaps, of owners that nobody knows, of workloads that are missing or of nobody, and of what a mesh is known to hurt.',
  )
  addTrafficOption(addEstateOptions(command))
    .option(
      '--csv <file...>',
      'a table with a heading: name, namespace, workloads, team, criticality, ... (see docs/operations/adoption.md)',
    )
    .option('--backstage <file...>', 'catalog-info.yaml, with Components and Groups')
    .option('--teams <file>', 'names of teams, one a line: owners that are not among them are told of')
    .addOption(
      new Option(
        '--group-by <what>',
        'which workloads of a cluster or of YAML are one application: by their labels app.kubernetes.io/name or app, by part-of, or all of a namespace',
      )
        .choices(['app', 'part-of', 'namespace'])
        .default('app'),
    )
    .option('-n, --namespace <namespace>', 'namespace of applications for which nothing says one', 'default')
    .option('--dry-run', 'write nothing; print what would be written')
    .action(run)
  addFolderOption(command)
  withExamples(command, [
    ['what a cluster runs', 'weft adopt import --from-cluster'],
    ['a spreadsheet, completed by YAML', 'weft adopt import --csv applications.csv -f deploy -R'],
    ['a Backstage catalogue', 'weft adopt import --backstage catalog-info.yaml --from-cluster'],
    ['only look again at what is written down', 'weft adopt import'],
  ])
}

async function run(options: Options): Promise<void> {
  const estate = await givenEstate(options)
  const { applications: existing, messages: broken } = readApplications(options.folder)
  // What people said comes first: it counts where a cluster says otherwise.
  const sources: Drafts[] = [
    ...(options.csv ?? []).map((file) => draftsOfCsv(contentOf(file), file)),
    ...(options.backstage ?? []).map((file) => draftsOfBackstage(contentOf(file), file)),
    { drafts: estate ? draftsOfEstate(estate, options.groupBy) : [], messages: [] },
  ]
  const drafts: Draft[] = sources.flatMap((source) => source.drafts)
  const traffic = await givenTraffic(options)
  const without = mergeDrafts(existing, drafts, options.namespace)
  const merged = traffic ? withTraffic(without, traffic) : without
  if (!options.dryRun) writeApplications(options.folder, existing, merged)
  const now = options.dryRun ? parsed(merged) : readApplications(options.folder).applications
  const listed = sources.flatMap(({ teams = [] }) => teams)
  const teams = options.teams ? lines(contentOf(options.teams)) : listed.length > 0 ? listed : undefined
  const messages: Message[] = [
    ...broken,
    ...sources.flatMap((source) => source.messages),
    ...checkInventory(now, { ...(estate ? { estate } : {}), ...(teams ? { teams } : {}) }),
  ]
  if (options.dryRun)
    await print(
      changed(merged)
        .map((each) => applicationText(each))
        .join('---\n'),
    )
  process.stderr.write(messages.map(messageBlock).join(''))
  await print(options.dryRun ? '' : `${said(merged)} in ${options.folder}/applications; ${summary(messages)}\n`)
  if (messages.some(({ severity }) => severity === 'error')) process.exitCode = 1
}

/** With what the traffic of each showed. */
function withTraffic(merged: readonly MergedApplication[], traffic: Observed): readonly MergedApplication[] {
  const found = trafficOfApplications(parsed(merged), traffic)
  return merged.map((each) => {
    const observed = found.get(`${each.namespace}/${each.name}`)
    return observed ? { ...each, observed, change: each.change === 'new' ? 'new' : 'completed' } : each
  })
}

function changed(merged: readonly MergedApplication[]): readonly MergedApplication[] {
  return merged.filter(({ change }) => change !== 'unchanged')
}

function said(merged: readonly MergedApplication[]): string {
  const count = (change: MergedApplication['change']) => merged.filter((each) => each.change === change).length
  return `${counted(merged.length, 'application')} (${count('new')} new, ${count('completed')} completed)`
}

/** As they will be read once they are written. */
function parsed(merged: readonly MergedApplication[]) {
  const { resources } = parseYaml(merged.map((each) => applicationText(each)).join('---\n'), 'applications')
  return resources.filter((resource) => isKind(resource, 'adoption.weft.dev/Application'))
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, 'name a file that is there')
  }
}

function lines(text: string): string[] {
  return text.split('\n').flatMap((line) => line.trim() || [])
}
