import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { injectYaml, namespacesIn, type YamlInjection } from '../injection/inject-yaml.ts'
import { DEFAULT_SETTINGS, type InjectionSettings, type Texts } from '../injection/settings.ts'
import { proxyConfigsOf } from '../mesh/proxy-configs.ts'
import type { Message } from '../resources/message.ts'
import { parseYaml } from '../resources/parse.ts'
import { isKind, type Resource } from '../resources/resource.ts'
import { findFiles } from '../sources/files/find-files.ts'
import { readContent } from '../sources/files/read-file.ts'
import { Snapshot } from '../store/snapshot.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { messageBlock } from './message-text.ts'
import { print } from './output-format.ts'

interface Options {
  readonly filename: readonly string[]
  readonly recursive?: boolean
  readonly namespace: string
  readonly revision: string
  readonly image: string
  readonly capture: InjectionSettings['capture']
  readonly captureImage: string
}

/** `weft inject` */
export function define(command: Command): void {
  command
    .description(
      [
        'Prints YAML or JSON with proxies in whatever makes pods: what the admission webhook does as pods are made, ahead of time and without a cluster. Everything else comes out as it was written.',
        'All pods get proxies, except those that opt out, or whose namespace is in the files and does. ProxyConfigs in the files count. What became of each is told on standard error.',
      ].join('\n\n'),
    )
    .requiredOption('-f, --filename <file...>', 'files and folders to read, - for standard input')
    .option('-R, --recursive', 'look into subfolders as well')
    .option('-n, --namespace <namespace>', 'namespace of objects that name none', 'default')
    .option('--revision <name>', 'revision of the control plane', 'default')
    .option('--image <image>', 'Envoy to put into pods', DEFAULT_SETTINGS.image)
    .addOption(
      new Option(
        '--capture <by>',
        "who redirects a pod's connections to its proxy: the agent of its node, or an init container with NET_ADMIN",
      )
        .choices(['agent', 'init-container'])
        .default(DEFAULT_SETTINGS.capture),
    )
    .option('--capture-image <image>', 'image with iptables, for that init container', DEFAULT_SETTINGS.captureImage)
    .action(run)
  withExamples(command, [
    ['see what injection would change', 'weft inject -f deployment.yaml | diff deployment.yaml -'],
    ['apply workloads with their proxies', 'weft inject -f app | kubectl apply -f -'],
    ['add proxies to what runs', 'kubectl get deployment web -o yaml | weft inject -f - | kubectl apply -f -'],
  ])
}

async function run(options: Options): Promise<void> {
  const texts = [...(await fromInput(options)), ...read(options)]
  const namespaces = new Map(texts.flatMap(({ text }) => [...namespacesIn(text)]))
  const { revision, image, capture, captureImage } = options
  const settings = { ...DEFAULT_SETTINGS, revisions: [revision], image, capture, captureImage }
  // Asked for by name: only what opts out gets none.
  const enabled = { 'istio.io/rev': revision }
  const namespaceLabels = (name: string) => {
    const labels = namespaces.get(name) ?? {}
    const says = ['weft.dev/inject', 'istio-injection', 'istio.io/rev'].some((key) => labels[key] !== undefined)
    return says ? labels : enabled
  }
  const configs = proxyConfigsIn(texts, options.namespace)
  const proxyConfigs = (namespace: string, labels: Texts) => proxyConfigsOf(configs, namespace, labels)
  const injected = texts.map(({ file, text }) =>
    injectYaml(text, { file, namespace: options.namespace, namespaceLabels, proxyConfigs }, settings),
  )
  tell(injected)
  if (process.exitCode === 1) return
  await print(injected.map(({ text }) => text).join('---\n'))
}

/** The ProxyConfigs among what is given, which count as they would in a cluster. What is wrong with one is told; what is wrong with others is not for here. */
function proxyConfigsIn(texts: readonly FileText[], defaultNamespace: string): Snapshot {
  const parsed = texts.map(({ file, text }) => parseYaml(text, file, { namespace: defaultNamespace }))
  for (const message of parsed.flatMap(({ messages }) => messages))
    if (message.object?.startsWith('ProxyConfig ')) process.stderr.write(told(message))
  const isConfig = (resource: Resource) => isKind(resource, 'networking.istio.io/ProxyConfig')
  return Snapshot.of(parsed.flatMap(({ resources }) => resources.filter(isConfig)))
}

const BECAME = {
  gateway: 'made a gateway',
  grpc: 'got a configuration for gRPC',
  sidecar: 'got a proxy',
} as const

/** Half of what should be applied would be worse than nothing: with an error anywhere nothing is printed. */
function tell(injected: readonly YamlInjection[]): void {
  const lines = injected.flatMap(({ messages, results }) => [
    ...messages.map(told),
    ...results.flatMap(({ object, injection }) => {
      if (injection.outcome === 'left alone') return [`${object}: left alone, as ${injection.reason}\n`]
      const messages = injection.messages.map(told)
      if (injection.outcome === 'refused') return messages
      return [...messages, `${object}: ${BECAME[injection.role]}\n`]
    }),
  ])
  process.stderr.write(lines.join(''))
}

function told(message: Message): string {
  if (message.severity === 'error') process.exitCode = 1
  return messageBlock(message)
}

interface FileText {
  readonly file: string
  readonly text: string
}

async function fromInput({ filename }: Options): Promise<FileText[]> {
  return filename.includes('-') ? [{ file: 'standard input', text: await text(process.stdin) }] : []
}

function read({ filename, recursive = false }: Options): FileText[] {
  const found = findFiles(
    filename.filter((path) => path !== '-'),
    recursive,
  )
  for (const message of found.messages) process.stderr.write(told(message))
  return found.files.flatMap((file): FileText[] => {
    const content = readContent(file, true)
    if ('absent' in content) throw new Failure(`there is no file ${file}`, 'check its name')
    if ('bytes' in content) return [{ file, text: content.bytes.toString('utf8') }]
    process.stderr.write(told(content.unreadable))
    return []
  })
}
