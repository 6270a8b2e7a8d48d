import { type Command, Option } from 'commander'
import { READY } from '../../adoption/assessment/ready.ts'
import { lastAssessment } from '../../adoption/assessment/saved.ts'
import { readFinishedLabs } from '../../adoption/learn/finished.ts'
import { AREAS, type Item } from '../../adoption/preparation/checklist.ts'
import { readEntries, writeEntry } from '../../adoption/preparation/folder.ts'
import {
  type Entries,
  type Entry,
  isDay,
  itemsOf,
  type Prepared,
  prepared,
  STATES,
  type State,
} from '../../adoption/preparation/preparation.ts'
import { areasOf, isOpen, known, preparationReport, settledText } from '../../adoption/preparation/report.ts'
import type { AuthorityFacts, Facts } from '../../adoption/preparation/seen.ts'
import { summarizeCa } from '../../identity/ca-summary.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { caPlace } from '../ca-place.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { print } from '../output-format.ts'
import { styled } from '../style.ts'
import { table } from '../table.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { addEstateOptions, type EstateOptions, givenEstate } from './given-estate.ts'
import { type ReportFormat, reportOption, reportText } from './report-output.ts'

interface Options extends EstateOptions, FolderOption {
  readonly state?: State
  readonly owner?: string
  readonly due?: string
  readonly evidence?: string
  readonly note?: string
  readonly open?: boolean
  readonly output?: ReportFormat
}

/** `weft adopt prepare` */
export function definePrepare(command: Command): void {
  command
    .description(
      'The checklists of the teams (security, networking, capacity, operations, observability, platform) and the gaps of the last assessment: with owner, due date, state and evidence. What the program can see, in a cluster, YAML or a mesh, it ticks itself; where ' +
        'somebody says that an item is done and it sees otherwise, it says so. With an ITEM and options it writes down what is said of it.',
    )
    .argument('[item]', 'an item, to say something of it')
  addEstateOptions(command)
    .addOption(new Option('--state <state>', 'where it stands').choices([...STATES]))
    .option('--owner <name>', 'who does it')
    .option('--due <day>', 'by when, such as 2026-05-31')
    .option('--evidence <link>', 'where it can be seen that it is done')
    .option('--note <text>', 'what else is to be said')
    .option('--open', 'only what is open')
    .addOption(reportOption())
    .action(run)
  addFolderOption(command)
  withExamples(command, [
    ['where everything stands, with a look at the cluster', 'weft adopt prepare --from-cluster'],
    ['somebody takes an item', 'weft adopt prepare dmz --owner "Ana" --due 2026-05-31'],
    ['it is done', 'weft adopt prepare dmz --state done --evidence https://wiki.example.com/dmz'],
    ['for a meeting', 'weft adopt prepare --from-cluster -o html > preparation.html'],
  ])
}

async function run(id: string | undefined, options: Options): Promise<void> {
  const { folder, output } = options
  const items = itemsOf(READY, lastAssessment(folder, READY.name))
  let entries: Entries
  try {
    entries = readEntries(folder, items)
  } catch (error) {
    throw new Failure((error as Error).message, 'mend the file, or say it with weft adopt prepare ITEM')
  }
  if (id !== undefined) return say(id, items, options)
  const all = prepared(items, entries, await factsOf(options), new Date())
  const shown = options.open ? all.filter(isOpen) : all
  if (output) await print(await reportText(output, preparationReport(shown, new Date()), shown.map(plain)))
  else await print(shortText(shown, all))
}

async function say(id: string, items: readonly Item[], options: Options): Promise<void> {
  if (!items.some((item) => item.id === id)) {
    const near = closest(
      id,
      items.map((item) => item.id),
    )
    throw new Failure(`there is no item "${id}"`, near ? `did you mean "${near}"?` : 'see weft adopt prepare')
  }
  const { state, owner, due, evidence, note } = options
  if (due !== undefined && !isDay(due)) throw new Failure(`"${due}" is no day`, 'write one such as 2026-05-31')
  const said = Object.entries({ state, owner, due, evidence, note }).filter(([, value]) => value !== undefined)
  if (said.length === 0)
    throw new Failure(`nothing is said of ${id}`, 'add --state, --owner, --due, --evidence or --note')
  const path = writeEntry(options.folder, id, Object.fromEntries(said) as Entry)
  await print(`${id}: ${said.map(([field, value]) => `${field} ${value}`).join(', ')} (${path})\n`)
}

async function factsOf(options: Options): Promise<Facts> {
  const estate = await givenEstate(options)
  const authority = estate?.live ? await authorityOf(options) : undefined
  const finishedLabs = readFinishedLabs(options.folder)
  return { finishedLabs, ...(estate ? { estate } : {}), ...(authority ? { authority } : {}) }
}

/** Of the mesh there; undefined where there is none, or it may not be looked at. */
async function authorityOf({ fromMesh, kubeconfig, context }: Options): Promise<AuthorityFacts | undefined> {
  try {
    const { store, trustDomain } = await caPlace({
      ...(typeof fromMesh === 'string' ? { name: fromMesh } : {}),
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    })
    const { root, intermediate, signer } = await summarizeCa(store, trustDomain)
    if (!root) return undefined
    return { selfMade: root.selfMade, hasIntermediate: intermediate !== undefined, external: signer !== undefined }
  } catch {
    return undefined
  }
}

function plain({ item, entry, seen, state, overdue, contradicted }: Prepared) {
  return {
    id: item.id,
    area: item.area,
    holds: item.holds,
    ...entry,
    state,
    overdue,
    contradicted,
    ...(seen ? { seen } : {}),
  }
}

function shortText(shown: readonly Prepared[], all: readonly Prepared[]): string {
  const sections = areasOf(shown).map(([area, items]) => {
    const rows = items.map((each) => [
      mark(each),
      each.item.id,
      each.item.holds,
      each.entry.owner ?? '',
      dueText(each),
      known(each),
    ])
    return `${styled('bold', AREAS[area])}\n${table(['', 'ITEM', 'WHAT SHOULD HOLD', 'OWNER', 'DUE', 'KNOWN BY'], rows, ['OWNER', 'DUE', 'KNOWN BY'])}`
  })
  const overdue = all.filter((each) => each.overdue).length
  const contradicted = all.filter((each) => each.contradicted).length
  const end = [
    `${settledText(all)} of ${all.length} items are settled`,
    ...(overdue > 0 ? [`${overdue} overdue`] : []),
    ...(contradicted > 0 ? [`${contradicted} said to be done and seen otherwise`] : []),
  ]
  return `${[...sections, `${end.join(', ')}\n`].join('\n')}`
}

function mark({ state, contradicted }: Prepared): string {
  if (contradicted) return styled('red', '✗')
  if (state === 'done') return styled('green', '✓')
  return state === 'not-needed' ? '–' : state === 'doing' ? '…' : ' '
}

function dueText({ entry, overdue }: Prepared): string {
  return overdue ? styled('red', `${entry.due} overdue`) : (entry.due ?? '')
}
