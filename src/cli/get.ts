import type { Command } from 'commander'
import { closest } from '../resources/did-you-mean.ts'
import type { Kind } from '../resources/kinds.ts'
import { kindNameLike, kindsNamed } from '../resources/kinds.ts'
import { keyOf, type Resource } from '../resources/resource.ts'
import { withExamples } from './examples.ts'
import { Failure } from './failure.ts'
import { type Column, columnsOf } from './get-columns.ts'
import type { Mesh } from './mesh.ts'
import { type OutputFormat, outputOption, print, structured } from './output-format.ts'
import { addMeshOptions, type MeshOptions, runningMesh } from './running-mesh.ts'
import { table } from './table.ts'

interface Options extends MeshOptions {
  readonly namespace?: string
  readonly allNamespaces?: boolean
  readonly output?: OutputFormat | 'wide' | 'name'
}

interface Chosen extends Options {
  readonly namespace: string
}

interface Found {
  readonly kind: Kind
  readonly objects: readonly Resource[]
}

/** `weft get` */
export function define(command: Command): void {
  command
    .description(
      [
        'Lists the objects of the mesh that runs: what was written, and what was made of it (pods, addresses, endpoints).',
        'Kinds go by the names that kubectl takes: plural, singular or short, with .GROUP where several are called so.',
      ].join('\n\n'),
    )
    .argument(
      '<kind>',
      'such as pods, services, virtualservices, dr, gateways.networking.istio.io; several with commas',
    )
    .argument('[names...]', 'only these objects')
    .option('-n, --namespace <namespace>', 'where to look (default: as the kubeconfig\'s context says, else "default")')
    .option('-A, --all-namespaces', 'look everywhere')
    .addOption(outputOption('wide', 'name'))
    .action(run)
  addMeshOptions(command)
  withExamples(command, [
    ['the pods, with their addresses', 'weft get pods -o wide'],
    ['routes of all namespaces', 'weft get virtualservices,httproutes -A'],
    ['one object as it counts now', 'weft get vs reviews -o yaml'],
  ])
}

async function run(kindNames: string, names: readonly string[], given: Options): Promise<void> {
  const kinds = kindNames.split(',').flatMap(kindsOrFail)
  const mesh = await runningMesh(given)
  const options: Chosen = { ...given, namespace: given.namespace ?? mesh.namespace }
  const found = await Promise.all(kinds.map((kind) => objectsOf(mesh, kind, names, options)))
  const objects = found.flatMap((kind) => kind.objects)
  for (const name of names) {
    if (objects.some((object) => object.metadata.name === name)) continue
    throw await notFound(mesh, kinds, name, options)
  }
  const { output } = options
  if (output === 'json' || output === 'yaml') {
    const [first] = objects
    const one = names.length === 1 && objects.length === 1 && first !== undefined
    await print(await structured(output, one ? first : { apiVersion: 'v1', kind: 'List', items: objects }))
    return
  }
  if (objects.length === 0) {
    const place = options.allNamespaces ? 'in any namespace' : `in namespace ${options.namespace}`
    process.stderr.write(`No ${kinds.map(({ plural }) => plural).join(' or ')} found ${place}.\n`)
    return
  }
  if (output === 'name') {
    await print(
      found
        .flatMap(({ kind, objects }) => objects.map((object) => `${fullName(kind)}/${object.metadata.name}\n`))
        .join(''),
    )
    return
  }
  const several = found.filter((kind) => kind.objects.length > 0).length > 1
  await print(found.flatMap((kind) => (kind.objects.length > 0 ? tableOf(kind, options, several) : [])).join('\n'))
}

function kindsOrFail(name: string): readonly Kind[] {
  const kinds = kindsNamed(name)
  if (kinds.length > 0) return kinds
  const near = kindNameLike(name)
  const remedy = near
    ? `write "${near}" if that was meant`
    : 'name one that Weft reads: pods, services, virtualservices, ...'
  throw new Failure(`there is no kind "${name}"`, remedy)
}

async function objectsOf(
  mesh: Mesh,
  kind: Kind,
  names: readonly string[],
  { namespace, allNamespaces = false }: Chosen,
): Promise<Found> {
  const all = await mesh.get<Resource[]>(`resources/${encodeURIComponent(kind.id)}`)
  const objects = all.filter(
    ({ metadata }) =>
      (!kind.namespaced || allNamespaces || metadata.namespace === namespace) &&
      (names.length === 0 || names.includes(metadata.name)),
  )
  return { kind, objects }
}

async function notFound(mesh: Mesh, kinds: readonly Kind[], name: string, options: Chosen): Promise<Failure> {
  const all = await Promise.all(kinds.map((kind) => objectsOf(mesh, kind, [], { ...options, allNamespaces: true })))
  const objects = all.flatMap((kind) => kind.objects)
  const what = kinds.map(({ kind }) => kind).join(' or ')
  const place =
    kinds.some(({ namespaced }) => namespaced) && !options.allNamespaces ? ` in namespace ${options.namespace}` : ''
  const elsewhere = objects.find((object) => object.metadata.name === name)
  const near = closest(
    name,
    objects.map((object) => object.metadata.name),
  )
  const remedy = elsewhere
    ? `add -n ${elsewhere.metadata.namespace} for ${keyOf(elsewhere)}`
    : near
      ? `write "${near}" if that was meant`
      : `see what there is: weft get ${kinds[0]?.plural} -A`
  return new Failure(`there is no ${what} "${name}"${place}`, remedy)
}

function tableOf({ kind, objects }: Found, { allNamespaces = false, output }: Options, several: boolean): string {
  const isShown = ({ wide, optional, value }: Column) =>
    (!wide || output === 'wide') && (!optional || objects.some((object) => value(object) !== ''))
  const columns = columnsOf(kind.id).filter(isShown)
  const withNamespace = allNamespaces && kind.namespaced
  const rows = objects.map((object) => [
    ...(withNamespace ? [object.metadata.namespace ?? ''] : []),
    several ? `${fullName(kind)}/${object.metadata.name}` : object.metadata.name,
    ...columns.map((column) => column.value(object) || '<none>'),
  ])
  return table([...(withNamespace ? ['NAMESPACE'] : []), 'NAME', ...columns.map(({ heading }) => heading)], rows)
}

/** `pod`, `virtualservice.networking.istio.io`: as kubectl writes it. */
function fullName({ kind, group }: Kind): string {
  return [kind.toLowerCase(), ...(group ? [group] : [])].join('.')
}
