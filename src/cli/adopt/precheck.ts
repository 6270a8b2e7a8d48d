import type { Command } from 'commander'
import { type AppWorkload, type Estate, workloadsOf } from '../../adoption/estate/estate.ts'
import { readApplications } from '../../adoption/inventory/folder.ts'
import { type Checked, precheckWorkloads } from '../../adoption/precheck/precheck.ts'
import { closest } from '../../resources/did-you-mean.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { counted } from '../message-text.ts'
import { type OutputFormat, outputOption, print, structured } from '../output-format.ts'
import { styled } from '../style.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { addEstateOptions, type EstateOptions, givenEstate } from './given-estate.ts'

interface Options extends EstateOptions, FolderOption {
  readonly namespace?: string
  readonly output?: OutputFormat
}

/** `weft adopt precheck` */
export function definePrecheck(command: Command): void {
  command
    .description(
      'Looks whether the pods of an application can take a proxy: what Istio documents as requirements (ports, users, probes, init containers, the application’s own TLS, startup order), and what Weft adds. Exits with 1 where something will not work.',
    )
    .argument('<app>', 'an application of the inventory, or a workload: NAME, or NAMESPACE/NAME')
  addEstateOptions(command)
    .option('-n, --namespace <namespace>', 'namespace of the application')
    .addOption(outputOption())
    .action(run)
  addFolderOption(command)
  withExamples(command, [
    ['before its YAML is applied', 'weft adopt precheck cart -f deploy -R'],
    ['as it runs', 'weft adopt precheck shop/cart --from-cluster'],
  ])
}

async function run(app: string, options: Options): Promise<void> {
  const estate = await givenEstate(options)
  if (!estate) throw new Failure('there is nothing to look at', 'give -f FILES, --from-cluster or --from-mesh')
  const checked = precheckWorkloads(workloadsNamed(app, estate, options), estate)
  if (options.output)
    await print(
      await structured(
        options.output,
        checked.map(({ requirement, workload, found }) => ({
          workload,
          requirement: requirement.id,
          holds: requirement.holds,
          found,
        })),
      ),
    )
  else await print(text(app, checked))
  if (checked.some(({ found }) => found.some(({ severity }) => severity === 'error'))) process.exitCode = 1
}

/** Those of the application; where there is none of that name, the workload of that name, or those with that label app. */
function workloadsNamed(app: string, estate: Estate, { folder, namespace }: Options): readonly AppWorkload[] {
  const [first = '', second] = app.split('/')
  const name = second ?? first
  const home = second === undefined ? namespace : first
  const isHome = (each: string | undefined) => home === undefined || each === home
  const all = workloadsOf(estate)
  const application = readApplications(folder).applications.find(
    ({ metadata }) => metadata.name === name && isHome(metadata.namespace),
  )
  const own = (application?.spec?.workloads ?? []).map(
    ({ kind = 'Deployment', name: workload }) => `${application?.metadata.namespace}/${kind}/${workload}`,
  )
  const named = all.filter((each) => own.includes(`${each.namespace}/${each.kind}/${each.name}`))
  if (named.length > 0) return named
  const found = all.filter(
    (each) => isHome(each.namespace) && (each.name === name || each.template.metadata?.labels?.['app'] === name),
  )
  if (found.length > 0) return found
  const near = closest(
    name,
    all.flatMap((each) => [each.name, each.template.metadata?.labels?.['app'] ?? []].flat()),
  )
  throw new Failure(
    `there is no application or workload "${app}" in ${estate.label}`,
    near ? `did you mean "${near}"?` : 'name one that is there, or look elsewhere with -f or --from-cluster',
  )
}

const MARKS = { error: ['red', '✗'], warning: ['yellow', '!'], info: ['cyan', 'i'] } as const

function text(app: string, checked: readonly Checked[]): string {
  const workloads = [...new Set(checked.map(({ workload }) => workload))]
  const lines = workloads.flatMap((workload) => {
    const own = checked.filter((each) => each.workload === workload)
    const right = own.filter(({ found }) => found.length === 0).map(({ requirement }) => requirement.about)
    return [
      styled('bold', workload),
      ...(right.length > 0 ? [`${styled('green', '✓')} ${right.join(', ')}`] : []),
      ...own.flatMap(({ requirement, found }) =>
        found.flatMap(({ severity, problem, remedy }) => {
          const [color, mark] = MARKS[severity]
          return [`${styled(color, mark)} ${requirement.about}: ${problem}`, `    ${styled('green', 'fix:')} ${remedy}`]
        }),
      ),
      '',
    ]
  })
  const count = (severity: 'error' | 'warning') =>
    checked.flatMap(({ found }) => found).filter((each) => each.severity === severity).length
  const [errors, warnings] = [count('error'), count('warning')]
  const end =
    errors > 0
      ? `${app} can not join yet: ${counted(errors, 'error')}`
      : warnings > 0
        ? `${app} can join; look at ${counted(warnings, 'warning')} first`
        : `${app} can join.`
  return `${[...lines, end].join('\n')}\n`
}
