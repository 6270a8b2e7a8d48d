import type { ApplicationSpec } from '../../resources/adoption.ts'
import type { Message } from '../../resources/message.ts'
import { positionAt } from '../../resources/position.ts'
import { parseDocumentText, plainValue, splitDocuments } from '../../resources/yaml-document.ts'
import { type Draft, type Drafts, objectName, tell } from './inventory.ts'

/** An entity of a Backstage catalogue, as far as it is read: https://backstage.io/docs/features/software-catalog/descriptor-format */
interface Entity {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: {
    readonly name?: string
    readonly title?: string
    readonly description?: string
    readonly annotations?: Readonly<Record<string, string>>
    readonly tags?: readonly string[]
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec?: {
    readonly type?: string
    readonly lifecycle?: string
    readonly owner?: string
    readonly dependsOn?: readonly string[]
  }
}

const NAMESPACE = 'backstage.io/kubernetes-namespace'
const KUBERNETES_ID = 'backstage.io/kubernetes-id'

/** Tags that name a language. */
const LANGUAGES = new Set([
  'java',
  'kotlin',
  'scala',
  'go',
  'golang',
  'python',
  'javascript',
  'typescript',
  'nodejs',
  'ruby',
  'php',
  'rust',
  'csharp',
  'dotnet',
  'cpp',
  'elixir',
])

/** Components of a `catalog-info.yaml` as applications, and its Groups as the teams that are known. Libraries run nowhere, and are left out. */
export function draftsOfBackstage(text: string, file: string): Drafts {
  const messages: Message[] = []
  const drafts: Draft[] = []
  const teams: string[] = []
  for (const document of splitDocuments(text)) {
    const told = (offset: number, problem: string) => {
      const position = positionAt(document.text, { file, line: document.line }, offset)
      messages.push(tell('broken-row', 'error', { position, problem, remedy: 'mend the entity; the others are taken' }))
    }
    const entity = entityIn(document.text, told)
    if (!entity) continue
    const { kind, metadata, spec } = entity
    if (kind === 'Group' && metadata?.name) teams.push(metadata.name)
    if (kind !== 'Component' || spec?.type === 'library') continue
    const name = objectName(metadata?.annotations?.[KUBERNETES_ID] ?? metadata?.name ?? '')
    if (name === undefined) told(0, 'a Component has no metadata.name')
    else drafts.push(draftOf(name, entity))
  }
  return { drafts, messages, ...(teams.length > 0 ? { teams } : {}) }
}

function entityIn(text: string, told: (offset: number, problem: string) => void): Entity | undefined {
  const { document } = parseDocumentText(text)
  const [error] = document.errors
  if (error) {
    told(error.pos[0], 'the entity is not valid YAML')
    return undefined
  }
  const value = plainValue(document) as Entity | null
  if (value === null) return undefined
  if (typeof value !== 'object' || !value.apiVersion?.startsWith('backstage.io/')) {
    told(0, 'this is no entity of Backstage')
    return undefined
  }
  return value
}

function draftOf(name: string, { metadata = {}, spec = {} }: Entity): Draft {
  const namespace = objectName(metadata.annotations?.[NAMESPACE] ?? '')
  const languages = (metadata.tags ?? []).filter((tag) => LANGUAGES.has(tag))
  const applications = (spec.dependsOn ?? []).flatMap((reference) => {
    const { kind, name: other } = entityReference(reference)
    return kind === 'component' && other ? [{ name: other }] : []
  })
  const criticality = criticalityOf(metadata.labels?.['criticality'] ?? metadata.annotations?.['criticality'])
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    spec: {
      ...(metadata.title ? { displayName: metadata.title } : {}),
      ...(metadata.description ? { description: metadata.description } : {}),
      ...(spec.owner ? { owner: { team: entityReference(spec.owner).name } } : {}),
      ...(criticality ? { criticality } : {}),
      ...(languages.length > 0 ? { technology: { languages } } : {}),
      ...(applications.length > 0 ? { dependencies: { applications } } : {}),
    },
  }
}

/** `group:default/payments` and `payments` name the same: https://backstage.io/docs/features/software-catalog/references */
function entityReference(text: string): { readonly kind: string; readonly name: string } {
  const [, kind = '', name = text] = /^(?:([^:/]+):)?(?:[^/]+\/)?(.+)$/.exec(text) ?? []
  return { kind: kind.toLowerCase(), name }
}

function criticalityOf(text: string | undefined): ApplicationSpec['criticality'] {
  return text === 'low' || text === 'medium' || text === 'high' || text === 'critical' ? text : undefined
}
