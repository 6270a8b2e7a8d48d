import type { JsonValue } from '@bufbuild/protobuf'
import { type Command, Option } from 'commander'
import { workloads } from '../mesh/workloads.ts'
import { type Message, messageText } from '../resources/message.ts'
import { positionOf } from '../resources/position.ts'
import { displayName } from '../resources/resource.ts'
import { type EncodedResource, RESOURCE_TYPES, type ResourceType } from '../translate/encoded-resource.ts'
import { proxyResources } from '../translate/proxy-resources.ts'
import { nackMessage } from '../xds/nack-message.ts'
import { envoyJson } from './envoy-json.ts'
import { withExamples } from './examples.ts'
import { offlineMesh } from './offline-mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { proxyNamed } from './proxy-name.ts'

interface Options {
  readonly filename: readonly string[]
  readonly recursive?: boolean
  readonly namespace?: string
  readonly proxy: string
  readonly type?: readonly ResourceType[]
  readonly output?: OutputFormat
}

/** `weft translate` */
export function define(command: Command): void {
  command
    .description(
      'Prints the Envoy resources that a proxy would get, with no server running: what configuration means, before it is applied. Pods get the addresses that a mesh on this machine would give them.',
    )
    .requiredOption('-f, --filename <file...>', 'files and folders of YAML or JSON to read')
    .option('-R, --recursive', 'read subfolders as well')
    .option('-n, --namespace <namespace>', 'namespace of objects that name none, and of the pod (default: "default")')
    .requiredOption('--proxy <pod>', 'the pod, as POD, POD.NAMESPACE or the name of its Deployment')
    .addOption(new Option('--type <type...>', 'only these types of resources').choices(RESOURCE_TYPES))
    .addOption(outputOption())
    .action(run)
  withExamples(command, [
    ['everything that a proxy would get', 'weft translate -f samples/bookinfo --proxy productpage-v1'],
    [
      'only the routes, after a change',
      'weft translate -f samples/bookinfo -f reviews.yaml --proxy productpage-v1 --type routes',
    ],
    [
      'names of its clusters',
      "weft translate -f samples/bookinfo --proxy productpage-v1 --type cluster -o json | jq -r '.[].name'",
    ],
  ])
}

async function run(options: Options): Promise<void> {
  const { snapshot, messages } = offlineMesh(options.filename, options.recursive ?? false, options.namespace)
  warn(messages)
  const key = proxyNamed(options.proxy, [...workloads(snapshot).keys()], options.namespace)
  const resources = proxyResources(snapshot, key) ?? {}
  const wanted = RESOURCE_TYPES.filter((type) => options.type?.includes(type) ?? true).flatMap((type) =>
    (resources[type] ?? []).flatMap((layer) => [...layer.values()]).sort((a, b) => (a.name < b.name ? -1 : 1)),
  )
  const [unsound, shown] = [wanted.filter(isUnsound), wanted.filter((resource) => !isUnsound(resource))]
  warn(unsound.map((resource) => nackMessage({ proxy: key, resource, error: resource.problem })))
  await print(
    options.output === 'json' ? await structured('json', shown.map(described)) : await documents(shown, options),
  )
}

/** Whether it is one that no proxy would be sent. */
function isUnsound(resource: EncodedResource): resource is EncodedResource & { readonly problem: string } {
  return resource.problem !== undefined
}

/** What is wrong with the files; the rest of them is translated all the same. */
function warn(messages: readonly Message[]): void {
  for (const message of messages.filter(({ severity }) => severity !== 'info')) {
    process.stderr.write(`${messageText(message)}\n`)
    if (message.severity === 'error') process.exitCode = 1
  }
}

interface Described {
  readonly type: ResourceType
  readonly name: string
  readonly version: string
  /** The objects that it was made from. */
  readonly sources: readonly { readonly object: string; readonly file?: string; readonly line?: number }[]
  readonly resource: JsonValue
}

function described(resource: EncodedResource): Described {
  const sources = resource.sources.map((source) => {
    const position = positionOf(source)
    return { object: displayName(source), ...(position ? { file: position.file, line: position.line } : {}) }
  })
  const { type, name, version } = resource
  return { type, name, version, sources, resource: envoyJson(resource) }
}

/** One YAML document for each resource; for people with a comment above it that says what it was made from. */
async function documents(resources: readonly EncodedResource[], { output }: Options): Promise<string> {
  const texts = resources.map(async (resource) => {
    const { type, name, sources, resource: json } = described(resource)
    const from = sources.map(({ object, file, line }) => (file ? `${object} (${file}:${line})` : object))
    const comment = [`# ${type} ${name}`, ...(from.length > 0 ? [`# from ${from.join(', ')}`] : [])].join('\n')
    return `${output ? '' : `${comment}\n`}${await structured('yaml', json)}`
  })
  return (await Promise.all(texts)).join('---\n')
}
