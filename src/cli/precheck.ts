import type { Command } from 'commander'
import type { Finding } from '../install/finding.ts'
import { precheck } from '../install/precheck.ts'
import type { ClusterAccess } from '../sources/kubernetes/api-server.ts'
import { apiServer } from './cluster-access.ts'
import { addClusterOptions } from './cluster-options.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { addInstallOptions, chosenValues, type InstallOptions } from './install-settings.ts'
import { counted } from './message-text.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { styled } from './style.ts'

interface Options extends InstallOptions, ClusterAccess {
  readonly output?: OutputFormat
}

/** `weft precheck` */
export function define(command: Command): void {
  const described = command.description(
    'Looks whether a cluster can take an installation with these options: its version and nodes, your permissions, ports, other meshes, definitions of kinds. Changes nothing. Exits with 1 where it can not.',
  )
  addClusterOptions(addInstallOptions(described)).addOption(outputOption()).action(run)
  withExamples(command, [
    ['before weft install', 'weft precheck'],
    ['before weft install --profile production', 'weft precheck --profile production'],
  ])
}

async function run({ output, ...options }: Options): Promise<void> {
  const values = chosenValues(options)
  const server = apiServer(options)
  const findings = await precheck(server, values).catch((error: Error) => {
    throw new Failure(`the cluster at ${server.url} can't be asked: ${error.message}`, 'try with kubectl version')
  })
  await print(output ? await structured(output, findings) : text(findings, server.url))
  if (findings.some(({ severity }) => severity === 'error')) process.exitCode = 1
}

const MARKS = { ok: ['green', '✓'], warning: ['yellow', '!'], error: ['red', '✗'] } as const

function text(findings: readonly Finding[], url: string): string {
  const lines = findings.flatMap(({ severity, subject, text, remedy }) => {
    const [color, mark] = MARKS[severity]
    return [
      `${styled(color, mark)} ${subject}: ${text}`,
      ...(remedy ? [`    ${styled('green', 'fix:')} ${remedy}`] : []),
    ]
  })
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const end =
    errors === 0
      ? `The cluster at ${url} can take Weft: weft install`
      : `The cluster at ${url} can not take Weft yet: ${counted(errors, 'error')}`
  return `${[...lines, '', end].join('\n')}\n`
}
