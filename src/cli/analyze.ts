import { type Command, Option } from 'commander'
import { analyze, byPlace, SEVERITIES } from '../analysis/analyze.ts'
import type { Message, Severity } from '../resources/message.ts'
import type { ServerStatus } from '../server/api.ts'
import { envoyFilterMessages } from '../translate/envoy-filter/messages.ts'
import { withExamples } from './examples.ts'
import { messagesOf } from './mesh-messages.ts'
import { counted, messageBlock, summary } from './message-text.ts'
import { offlineMesh } from './offline-mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'

interface Options extends MeshOptions {
  readonly filename?: readonly string[]
  readonly recursive?: boolean
  readonly namespace?: string
  readonly output?: OutputFormat
  readonly failureThreshold: Severity
}

/** `weft analyze` */
export function define(command: Command): void {
  command
    .description(
      [
        'Looks for mistakes in configuration, and tells of each the object, the field, the place in the file, what is wrong and what would be right. Every rule is explained in docs/reference/messages.md.',
        'With files it needs no server and changes nothing; without, it asks the mesh that runs, which also knows what proxies refused.',
      ].join('\n\n'),
    )
    .argument('[files...]', 'files and folders, as with -f')
    .option('-f, --filename <file...>', 'files and folders of YAML or JSON to look into')
    .option('-R, --recursive', 'look into subfolders as well')
    .option(
      '-n, --namespace <namespace>',
      'namespace of objects in files that name none (default: "default"); of a running mesh, only messages about its objects',
    )
    .addOption(
      new Option('--failure-threshold <severity>', 'exit with 1 where something as grave is found')
        .choices(SEVERITIES)
        .default('error'),
    )
    .addOption(outputOption())
    .action((files: readonly string[], options: Options) => run([...files, ...(options.filename ?? [])], options))
  addMeshOptions(command)
  withExamples(command, [
    ['check a folder before applying it', 'weft analyze -f samples/bookinfo'],
    ['check several files as one configuration', 'weft analyze -f bookinfo.yaml -f routes.yaml'],
    ['check what runs, proxies included', 'weft analyze'],
    ['in a pipeline: fail on warnings too', 'weft analyze -f config -R --failure-threshold warning'],
  ])
}

async function run(files: readonly string[], options: Options): Promise<void> {
  const { messages, scope } = files.length > 0 ? analyzeFiles(files, options) : await askMesh(options)
  await print(
    options.output
      ? await structured(options.output, messages)
      : [...messages.map(messageBlock), `${summary(messages)} in ${scope}\n`].join(''),
  )
  const gravest = Math.min(...messages.map(({ severity }) => SEVERITIES.indexOf(severity)))
  if (gravest <= SEVERITIES.indexOf(options.failureThreshold)) process.exitCode = 1
}

function analyzeFiles(files: readonly string[], { recursive = false, namespace }: Options) {
  const mesh = offlineMesh(files, recursive, namespace)
  const { resources, files: read } = mesh.content
  return {
    messages: analyze(mesh.snapshot, [...mesh.messages, ...envoyFilterMessages(mesh.snapshot)]),
    scope: `${counted(resources.length, 'object')} of ${counted(read.length, 'file')}`,
  }
}

async function askMesh(options: Options): Promise<{ messages: readonly Message[]; scope: string }> {
  const { namespace } = options
  const mesh = await runningMesh(options)
  const [messages, status] = await Promise.all([messagesOf(mesh), mesh.get<ServerStatus>('status')])
  const wanted = messages.filter(({ object }) => namespace === undefined || object?.includes(` ${namespace}/`))
  return { messages: wanted.sort(byPlace), scope: `${mesh.label} (${counted(status.objects, 'object')})` }
}
