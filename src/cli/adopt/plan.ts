import { type Command, InvalidArgumentError } from 'commander'
import { readApplications } from '../../adoption/inventory/folder.ts'
import { readJoined, writePlan } from '../../adoption/plan/folder.ts'
import { type Plan, planOf } from '../../adoption/plan/plan.ts'
import { planReport } from '../../adoption/plan/report.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { counted, messageBlock } from '../message-text.ts'
import { print } from '../output-format.ts'
import { styled } from '../style.ts'
import { table } from '../table.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { type ReportFormat, reportOption, reportText } from './report-output.ts'

interface Options extends FolderOption {
  readonly waveSize?: number
  readonly dryRun?: boolean
  readonly output?: ReportFormat
}

/** `weft adopt plan` */
export function definePlan(command: Command): void {
  command
    .description(
      'Puts the applications of the inventory into an order, in waves: simple and uncritical ones first, callers before those whom they call, gateways before all; with the reason for each, a forecast, and for each bucket of ' +
        'similar applications a playbook and a rollout template to edit. Files that you have edited are left alone.',
    )
    .option('--wave-size <count>', 'most applications of a wave after the first (default: 8)', whole)
    .option('--dry-run', 'write nothing')
    .addOption(reportOption())
    .action(run)
  addFolderOption(command)
  withExamples(command, [
    ['plan what weft adopt import has listed', 'weft adopt plan'],
    ['to print, or to send', 'weft adopt plan -o html > plan.html'],
  ])
}

function whole(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('write a whole number, 1 or more')
  return Number(text)
}

async function run({ folder, waveSize, dryRun, output }: Options): Promise<void> {
  const { applications, messages } = readApplications(folder)
  process.stderr.write(messages.map(messageBlock).join(''))
  if (messages.some(({ severity }) => severity === 'error')) process.exitCode = 1
  if (applications.length === 0)
    throw new Failure(`there are no applications in ${folder}`, 'list them first: weft adopt import')
  let joined: ReadonlyMap<string, string>
  try {
    joined = readJoined(folder)
  } catch (error) {
    throw new Failure((error as Error).message, 'mend the line, or take it out')
  }
  const plan = planOf(applications, { at: new Date(), joined, ...(waveSize === undefined ? {} : { waveSize }) })
  const written = dryRun ? new Map() : writePlan(folder, plan)
  if (output) {
    await print(await reportText(output, planReport(plan), plan))
    return
  }
  const edited = [...written].filter(([, what]) => what === 'edited').map(([path]) => path)
  const made = [...written.values()].filter((what) => what === 'written').length
  await print(
    `${shortText(plan)}${dryRun ? '' : `\n${counted(made, 'file')} written to ${folder}${edited.length > 0 ? `; edited by you, and left alone: ${edited.join(', ')}` : ''}\n`}`,
  )
}

function shortText({ gateways, waves, exempt, forecast, approaches, remarks, joined }: Plan): string {
  const sections = [
    ...(joined.length > 0 ? [`In the mesh: ${joined.map(({ application }) => application).join(', ')}\n`] : []),
    ...(gateways.length > 0
      ? [`${styled('bold', 'First, gateways')} for ${gateways.map(({ application }) => application).join(', ')}\n`]
      : []),
    ...waves.map(({ number, teams, steps }) => {
      const when = forecast.waves.find(({ wave }) => wave === number)
      const heading = `${styled('bold', `Wave ${number}`)}${when ? `, by ${when.expected}` : ''}${teams.length > 0 ? `: ${teams.join(', ')}` : ''}\n`
      return (
        heading +
        table(
          ['APPLICATION', 'BUCKET', 'WHY'],
          steps.map(({ application, bucket, why }) => [application, bucket, why.join('; ')]),
        )
      )
    }),
    ...(exempt.length > 0
      ? [
          `${styled('bold', 'Exempt')}: ${exempt.map(({ application, why }) => `${application} (${why.join('; ')})`).join(', ')}\n`,
        ]
      : []),
    `${approaches.advice}\nAt ${forecast.pace} applications a week: ${forecast.says}.\n`,
    ...remarks.map((remark) => `${styled('yellow', 'note')}: ${remark}\n`),
  ]
  return sections.join('\n')
}
