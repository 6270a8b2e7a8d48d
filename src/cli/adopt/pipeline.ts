import { Argument, type Command, InvalidArgumentError } from 'commander'
import { PIPELINES } from '../../adoption/pipelines/all.ts'
import type { PipelineOptions } from '../../adoption/pipelines/pipeline.ts'
import { labelProblem } from '../../resources/name.ts'
import { VERSION } from '../../server/version.ts'
import { withExamples } from '../examples.ts'
import { print } from '../output-format.ts'

/** `weft adopt pipeline` */
export function definePipeline(command: Command): void {
  command
    .description(
      'Prints a template by which a team applies its own configuration of the mesh from its own repository: weft analyze is the gate, a preview of the change comes before it, and it goes to one namespace only.',
    )
    .addArgument(
      new Argument(
        '<tool>',
        Object.entries(PIPELINES)
          .map(([name, { tool }]) => `${name}: ${tool}`)
          .join(', '),
      ).choices(Object.keys(PIPELINES)),
    )
    .requiredOption('-n, --namespace <namespace>', 'the namespace that it goes to', namespaceOf)
    .option('--path <folder>', 'folder of the repository with the configuration', folderOf, 'mesh')
    .option(
      '--repository <url>',
      'for Argo CD and Flux: where the repository is',
      plain,
      'https://git.example.com/team/repository.git',
    )
    .option('--branch <name>', 'for Argo CD and Flux: which branch', plain, 'main')
    .option('--image <image>', 'image with the weft command', plain, `docker.io/weft/weft:${VERSION}`)
    .option('--kubectl-image <image>', 'image with kubectl and a shell', plain, 'docker.io/alpine/k8s:1.36.0')
    .action(run)
  withExamples(command, [
    ['for GitHub Actions', 'weft adopt pipeline github -n shop > .github/workflows/mesh.yaml'],
    ['for Argo CD', 'weft adopt pipeline argocd -n shop --repository https://git.example.com/shop/mesh.git'],
  ])
}

function namespaceOf(text: string): string {
  const wrong = labelProblem(text)
  if (wrong) throw new InvalidArgumentError(`${wrong.problem}; ${wrong.remedy}`)
  return text
}

function folderOf(text: string): string {
  const folder = text.replace(/^\.\//, '').replace(/\/+$/, '')
  if (folder === '' || folder.startsWith('/') || folder.split('/').includes('..'))
    throw new InvalidArgumentError('name a folder of the repository, such as mesh')
  return plain(folder)
}

/** These go into scripts and YAML as they are. */
function plain(text: string): string {
  if (!/^[\w.:/@+-]+$/.test(text)) throw new InvalidArgumentError('use letters, digits and ./:@_+- only')
  return text
}

interface Options extends Omit<PipelineOptions, 'folder'> {
  readonly path: string
}

async function run(tool: string, { path: folder, ...options }: Options): Promise<void> {
  const pipeline = PIPELINES[tool]
  if (!pipeline) return
  const comment = tool === 'jenkins' ? '//' : '#'
  const lines = [`${pipeline.tool}: ${pipeline.path}`, 'It needs:', ...pipeline.before.map((each) => `- ${each}`)]
  await print(`${lines.map((line) => `${comment} ${line}\n`).join('')}${pipeline.text({ folder, ...options })}`)
}
