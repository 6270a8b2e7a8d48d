// Writes docs/reference/istio-support.md from the published schemas, what src/resources/support says of each field, and the tests that show it: golden
// pairs by what is in their input, live tests by what they say they show. A test says when the page is out of date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { MESH_CONFIG_MAP, writtenMeshConfig } from '../src/mesh/mesh-config.ts'
import type { ConfigMap } from '../src/resources/core.ts'
import { KINDS, type Kind } from '../src/resources/kinds.ts'
import { parseYaml } from '../src/resources/parse.ts'
import { KIND, keyOf } from '../src/resources/resource.ts'
import { type JsonSchema, schemaAt } from '../src/resources/schema.ts'
import { isOnlyGiven, MESH_CONFIG, MESH_SETTINGS, reasonAgainstSetting } from '../src/resources/support/mesh-config.ts'
import { reasonAgainst } from '../src/resources/support/reasons.ts'
import type { Support } from '../src/resources/support/support-type.ts'
import { supportOf } from '../src/resources/support.ts'
import { schemaOf } from '../src/resources/validate.ts'
import { allFields, type FieldName, fieldsIn } from './istio-fields.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The page's path in the checkout. */
export const PAGE = 'docs/reference/istio-support.md'

/** Where fields are shown, by `kind.field`. */
type Proofs = ReadonlyMap<string, readonly string[]>

interface Row {
  readonly field: FieldName
  readonly state: 'yes' | 'golden pair only' | 'behaviour only' | 'not shown' | 'no'
  readonly golden: string
  readonly behaviour: string
  readonly note: string
}

/** The page, and how many rows of it say what. */
export function istioSupport(): { readonly text: string; readonly rows: ReadonlyMap<string, readonly Row[]> } {
  const [golden, live] = [goldenProofs(), liveProofs()]
  const kinds = Object.values(KINDS).filter(({ group }) => group.endsWith('.istio.io'))
  const rows = new Map<string, readonly Row[]>(kinds.map((kind) => [kind.id, rowsOf(kind, golden, live)]))
  rows.set(
    MESH,
    MESH_SETTINGS.map((setting) => settingRow(setting, golden, live)),
  )
  return { text: page(rows), rows }
}

/**
 * A DestinationRule says the same in up to four places, and what they do is tried in one place: the places themselves have rows of their own.
 */
function common(kind: Kind, field: FieldName): FieldName {
  if (kind.kind !== 'DestinationRule') return field
  return field
    .replace(/^subsets\.trafficPolicy\./, 'trafficPolicy.')
    .replace(/^trafficPolicy\.portLevelSettings\.(?!port\b)/, 'trafficPolicy.')
}

/** Fields of which nobody can see anything, and why. */
const NOTHING_TO_SEE: Readonly<Record<string, string>> = {
  'Gateway.servers.name': 'a name for people',
  'Gateway.servers.port.name': 'a name for people',
  'Sidecar.egress.port.targetPort': 'nothing comes of it, with Istio either',
  'Sidecar.ingress.port.targetPort': 'nothing comes of it, with Istio either',
}

function rowsOf(kind: Kind, golden: Proofs, live: Proofs): Row[] {
  const fields = [...new Set(allFields(kind).map((field) => common(kind, field)))]
  if (kind.kind === 'DestinationRule') fields.push('subsets.trafficPolicy')
  return fields.sort().map((field) => {
    const goldens = shown(golden.get(`${kind.kind}.${field}`) ?? [])
    const lives = live.get(`${kind.kind}.${field}`) ?? []
    const support = supportOf(kind.id)
    const acted = support === false ? false : supportAt(support, field.split('.'))
    const reason = reasonAgainst(kind.id, field)
    if (acted === false) return { field, state: 'no', golden: '', behaviour: '', note: reason ?? 'not yet' }
    const state = stateOf(goldens !== '', lives.length > 0)
    const note = NOTHING_TO_SEE[`${kind.kind}.${field}`] ?? valuesLeftOut(kind, field, acted)
    return { field, state, golden: goldens, behaviour: shown(lives), note }
  })
}

/** The settings of the whole mesh, which are no kind of their own. */
const MESH = 'MeshConfig'

function settingRow(field: string, golden: Proofs, live: Proofs): Row {
  const proofs = (all: Proofs) => shown(all.get(`${MESH}.${field}`) ?? [])
  const [goldens, lives] = [proofs(golden), proofs(live)]
  const support = MESH_CONFIG[field]
  const reason = reasonAgainstSetting(field)
  const parts = support === undefined || support === true ? '' : partsOf(support).join(', ')
  if (isOnlyGiven(field)) {
    const note = [...(parts ? [`${parts} is so anyway`] : []), reason ?? 'not yet'].join('; ')
    return { field, state: 'no', golden: '', behaviour: '', note }
  }
  const note = parts && `${parts} alone${reason ? `: ${reason}` : ''}`
  return { field, state: stateOf(goldens !== '', lives !== ''), golden: goldens, behaviour: lives, note }
}

/** Names, with the values that are meant. */
function partsOf(support: Support): readonly string[] {
  if (support === true) return []
  if (Array.isArray(support)) return [support.map((value) => `\`${value}\``).join(' or ')]
  return Object.entries(support).map(([name, below]) => [`\`${name}\``, ...partsOf(below)].join(' '))
}

/** Of many proofs a few are enough for a reader. */
const MOST_SHOWN = 2

function shown(proofs: readonly string[]): string {
  return proofs.slice(0, MOST_SHOWN).join(', ')
}

function stateOf(golden: boolean, live: boolean): Row['state'] {
  if (golden && live) return 'yes'
  if (golden) return 'golden pair only'
  return live ? 'behaviour only' : 'not shown'
}

/** What is acted upon of a field: all, some values, or nothing. */
function supportAt(support: Support, [first, ...rest]: readonly string[]): true | readonly string[] | false {
  if (support === true || Array.isArray(support)) return support as true | readonly string[]
  if (first === undefined) return true
  const below = (support as Readonly<Record<string, Support>>)[first] ?? (support as { '*'?: Support })['*']
  return below === undefined ? false : supportAt(below, rest)
}

function valuesLeftOut(kind: Kind, field: FieldName, acted: true | readonly string[]): string {
  if (acted === true) return ''
  const taken = acted.map((value) => value.toUpperCase())
  const schema = schemaAt(schemaOf(kind), ['spec', ...path(schemaOf(kind), field)])
  const values = schema?.['enum']
  const left = Array.isArray(values) ? values.filter((value) => !taken.includes(String(value).toUpperCase())) : []
  return left.length > 0 ? `all but ${left.map((value) => `\`${value}\``).join(', ')}` : `one of ${acted.join(', ')}`
}

/** With an index for each list on the way, as a schema is asked. */
function path(schema: JsonSchema, field: FieldName): (string | number)[] {
  const steps: (string | number)[] = []
  for (const step of field.split('.')) {
    if (schemaAt(schema, ['spec', ...steps])?.items) steps.push(0)
    steps.push(step)
  }
  if (schemaAt(schema, ['spec', ...steps])?.items) steps.push(0)
  return steps
}

/** The inputs of golden pairs, by the fields that are in them. */
function goldenProofs(): Proofs {
  const proofs = new Map<string, string[]>()
  // What is said of proxies themselves is done where pods get them.
  const files = ['src/translate', 'src/injection'].flatMap((folder) => filesBelow(join(root, folder), '.in.yaml'))
  for (const file of files) {
    const { resources } = parseYaml(readFileSync(file, 'utf8'), file)
    for (const resource of resources) {
      const kind = KINDS[resource[KIND]]
      if (kind.id === 'core/ConfigMap' && keyOf(resource) === MESH_CONFIG_MAP)
        for (const setting of Object.keys(writtenMeshConfig(resource as ConfigMap)))
          prove(proofs, `${MESH}.${setting}`, link(file, basename(file, '.in.yaml')))
      for (const field of fieldsIn(kind, resource.spec))
        prove(proofs, `${kind.kind}.${common(kind, field)}`, link(file, basename(file, '.in.yaml')))
    }
  }
  return proofs
}

/** The live tests that say `shows(KIND, FIELD, ...)`, by these. A test that says so of what it did not put in force fails. */
function liveProofs(): Proofs {
  const proofs = new Map<string, string[]>()
  for (const file of filesBelow(join(root, 'test'), '.test.ts')) {
    const text = readFileSync(file, 'utf8')
    for (const said of text.matchAll(/\bshows\(\s*'(\w+)',([^)]*)\)/g)) {
      if (said[1] === MESH) {
        for (const [, setting = ''] of (said[2] ?? '').matchAll(/'([^']+)'/g)) {
          if (!MESH_SETTINGS.includes(setting)) throw new Error(`${file}: MeshConfig has no setting ${setting}`)
          prove(proofs, `${MESH}.${setting}`, `${link(file, basename(file, '.test.ts'))}: ${titleAt(text, said.index)}`)
        }
        continue
      }
      const kind = Object.values(KINDS).find((each) => each.kind === said[1] && each.group.endsWith('.istio.io'))
      if (!kind) throw new Error(`${file}: shows('${said[1]}', ...): Istio has no such kind`)
      const known = new Set(allFields(kind).map((field) => common(kind, field)))
      for (const [, field = ''] of (said[2] ?? '').matchAll(/'([^']+)'/g)) {
        const row = common(kind, field)
        if (!known.has(row) && row !== 'subsets.trafficPolicy')
          throw new Error(
            `${file}: shows('${said[1]}', '${field}'): the kind has no such field without others below it`,
          )
        prove(proofs, `${kind.kind}.${row}`, `${link(file, basename(file, '.test.ts'))}: ${titleAt(text, said.index)}`)
      }
    }
  }
  return proofs
}

function prove(proofs: Map<string, string[]>, field: string, proof: string): void {
  const known = proofs.get(field) ?? []
  if (!known.includes(proof)) proofs.set(field, [...known, proof].sort())
}

/** Of the test in which something stands. */
function titleAt(text: string, index: number): string {
  const titles = [
    ...text.slice(0, index).matchAll(/(?:\btest(?:\.\w+(?:\([^\n]*?\))?)?|^\s*\]\))\(\s*(['"`])(.+?)\1,/gm),
  ]
  return titles.at(-1)?.[2]?.replaceAll('|', '\\|') ?? ''
}

function link(file: string, text: string): string {
  return `[${text}](../../${relative(root, file)})`
}

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name))
}

function page(kinds: ReadonlyMap<string, readonly Row[]>): string {
  return `${[
    '# What Weft does of the Istio API',
    '<!-- Made by scripts/generate-istio-support.ts from the schemas and the tests: change these. -->',
    [
      'One row for each field of the kinds that Istio publishes. **yes**: a golden pair shows what Envoy is told for it, and a test on real Envoys',
      'what a client sees of it. *golden pair only*: Envoy is told, and takes it, but no test looks at what comes of it. *behaviour only*: the other way',
      'round. **no**: Weft does not act on it, and says so (`field-not-supported`) of every object that sets it; the note says why. Versions `v1`,',
      '`v1beta1` and `v1alpha3` of a kind are one.',
    ].join('\n'),
    summary(kinds),
    ...[...kinds].flatMap(([id, rows]) => [`## ${id.slice(id.indexOf('/') + 1)}`, table(rows)]),
  ].join('\n\n')}\n`
}

function summary(kinds: ReadonlyMap<string, readonly Row[]>): string {
  const states = ['yes', 'golden pair only', 'behaviour only', 'not shown', 'no'] as const
  const lines = [...kinds].map(([id, rows]) => {
    const counts = states.map((state) => rows.filter((row) => row.state === state).length || '')
    return `| ${id} | ${counts.join(' | ')} |`
  })
  return [`| kind | ${states.join(' | ')} |`, `| --- | ${states.map(() => '---').join(' | ')} |`, ...lines].join('\n')
}

function table(rows: readonly Row[]): string {
  if (rows.every(({ state }) => state === 'no') && new Set(rows.map(({ note }) => note)).size === 1)
    return `No field of it: ${rows[0]?.note}.`
  const lines = rows.map(
    ({ field, state, golden, behaviour, note }) => `| \`${field}\` | ${[state, golden, behaviour, note].join(' | ')} |`,
  )
  return ['| field | | golden pair | behaviour | note |', '| --- | --- | --- | --- | --- |', ...lines].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(root, PAGE), istioSupport().text)
  console.log(PAGE)
}
