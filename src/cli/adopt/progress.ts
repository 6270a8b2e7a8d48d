import type { Command } from 'commander'
import { readApplications } from '../../adoption/inventory/folder.ts'
import { type CountedPod, type Progress, progressOf } from '../../adoption/progress/progress.ts'
import { progressReport } from '../../adoption/progress/report.ts'
import { type DatedStanding, savedProgress, saveProgress } from '../../adoption/progress/saved.ts'
import type { AuditFacts } from '../../management/audit/facts.ts'
import { workloadName } from '../../mesh/pod-owner.ts'
import { roleOf } from '../../mesh/workloads.ts'
import type { Application } from '../../resources/adoption.ts'
import type { Pod } from '../../resources/core.ts'
import { withExamples } from '../examples.ts'
import { Failure } from '../failure.ts'
import { lengthOfTime } from '../length-of-time.ts'
import type { Mesh } from '../mesh.ts'
import { messageBlock } from '../message-text.ts'
import { print } from '../output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from '../running-mesh.ts'
import { addFolderOption, type FolderOption } from './folder-option.ts'
import { proxyCounters } from './proxy-counters.ts'
import { type ReportFormat, reportOption, reportText } from './report-output.ts'

interface Options extends FolderOption, MeshOptions {
  readonly since: number
  readonly dryRun?: boolean
  readonly output?: ReportFormat
}

/** `weft adopt progress` */
export function defineProgress(command: Command): void {
  command
    .description(
      'One page for those who pay for it: how many applications are in the mesh, take nothing but mutual TLS, and say who may call; how many of the calls are encrypted; by team and criticality, and over time; which requests ' +
        'were saved; what the proxies hold. Each day is kept in the folder. What was not observed is called not observed.',
    )
    .option('--since <duration>', 'calls of this time until now', lengthOfTime, lengthOfTime('24h'))
    .option('--dry-run', 'do not keep this day')
    .addOption(reportOption())
    .action(run)
  addFolderOption(addMeshOptions(command))
  withExamples(command, [
    ['on the terminal', 'weft adopt progress'],
    ['for the sponsor', 'weft adopt progress -o html > progress.html'],
  ])
}

async function run({ folder, since, dryRun, output, ...options }: Options): Promise<void> {
  const { applications, messages } = readApplications(folder)
  process.stderr.write(messages.map(messageBlock).join(''))
  if (applications.length === 0)
    throw new Failure(`there are no applications in ${folder}`, 'list them first: weft adopt import')
  const progress = await measuredProgress(await runningMesh(options), applications, since)
  const days = withToday(savedProgress(folder), progress)
  if (!dryRun) saveProgress(folder, progress)
  const report = progressReport(progress, days)
  await print(await reportText(output ?? 'markdown', report, { ...progress, days }))
}

/** What a mesh shows of applications. @param sinceMs calls of so long until now */
export async function measuredProgress(
  mesh: Mesh,
  applications: readonly Application[],
  sinceMs: number,
): Promise<Progress> {
  const at = new Date()
  const span = `from=${at.getTime() - sinceMs}&to=${at.getTime()}`
  const [facts, pods, counters] = await Promise.all([
    mesh.get<AuditFacts>(`audit/facts?${span}`),
    mesh.get<readonly Pod[]>(`resources/${encodeURIComponent('core/Pod')}`),
    proxyCounters(mesh),
  ])
  return progressOf({ at, applications, pods: pods.map(counted), facts, ...counters })
}

function counted(pod: Pod): CountedPod {
  const { namespace = 'default', labels = {}, annotations = {} } = pod.metadata
  return {
    workload: `${namespace}/${workloadName(pod)}`,
    hasProxy: roleOf(labels, annotations) !== undefined,
  }
}

/** With this day at the end, in the place of what was kept of it before. */
function withToday(days: readonly DatedStanding[], { at, all }: Progress): readonly DatedStanding[] {
  const day = at.slice(0, 10)
  return [...days.filter((each) => each.day !== day), { day, ...all }]
}
