/**
 * Kubernetes objects with gaps: what an installation looks like before its settings are known. One description is both filled in by
 * `weft install` (`fill`) and written as templates of the Helm chart (`helmTemplate`), so that the two cannot differ.
 */
export type Template =
  | string
  | number
  | boolean
  | readonly Template[]
  | { readonly [field: string]: Template }
  | Gap
  | Text
  | Conditional

/** Settings by their path, as in `server.replicas`; also `namespace` and `managedBy`, which Helm calls otherwise. */
export type Values = Readonly<Record<string, unknown>>

/** When something is there: where a setting is neither false, nor 0, nor empty; or where it has that value. */
export type Condition = string | { readonly path: string; readonly is: string } | { readonly not: string }

/** The value of a setting. */
class Gap {
  readonly path: string
  constructor(path: string) {
    this.path = path
  }
}

/** Text with settings in it. */
class Text {
  readonly parts: readonly (string | Gap)[]
  constructor(parts: readonly (string | Gap)[]) {
    this.parts = parts
  }
}

/** A field, an item of a list or an object that is there only under a condition; a field may be another one where it does not hold. */
class Conditional {
  readonly condition: Condition
  readonly content: Template
  readonly otherwise: Template | undefined
  constructor(condition: Condition, content: Template, otherwise?: Template) {
    this.condition = condition
    this.content = content
    this.otherwise = otherwise
  }
}

export function value(path: string): Gap {
  return new Gap(path)
}

/** `` text`${value('namespace')}/weft` `` */
export function text(strings: TemplateStringsArray, ...gaps: readonly (Gap | string | number)[]): Text {
  const parts = strings.flatMap((part, i) => [part, ...gaps.slice(i, i + 1)])
  return new Text(parts.filter((part) => part !== '').map((part) => (typeof part === 'number' ? String(part) : part)))
}

export function when(condition: Condition, content: Template): Conditional {
  return new Conditional(condition, content)
}

/** A field that is one thing where the condition holds, and another where not. */
export function either(condition: Condition, content: Template, otherwise: Template): Conditional {
  return new Conditional(condition, content, otherwise)
}

/** The template with all gaps filled; undefined where its condition does not hold. */
export function fill(template: Template, values: Values): unknown {
  if (template instanceof Gap) return valueAt(template.path, values)
  if (template instanceof Text)
    return template.parts.map((part) => (typeof part === 'string' ? part : valueAt(part.path, values))).join('')
  if (template instanceof Conditional) {
    const found = holds(template.condition, values) ? template.content : template.otherwise
    return found === undefined ? undefined : fill(found, values)
  }
  if (isList(template)) return template.map((item) => fill(item, values)).filter((item) => item !== undefined)
  if (typeof template !== 'object') return template
  const fields = Object.entries(template).map(([name, field]) => [name, fill(field, values)] as const)
  return Object.fromEntries(fields.filter(([, field]) => field !== undefined))
}

function valueAt(path: string, values: Values): unknown {
  const found = values[path]
  if (found === undefined) throw new Error(`there is no setting ${path}`)
  return found
}

function holds(condition: Condition, values: Values): boolean {
  if (typeof condition === 'string') return isSet(valueAt(condition, values))
  return 'not' in condition ? !isSet(valueAt(condition.not, values)) : valueAt(condition.path, values) === condition.is
}

/** As `if` of Go's templates sees it. */
function isSet(found: unknown): boolean {
  if (typeof found === 'object' && found !== null) return Object.keys(found).length > 0
  return Boolean(found)
}

/** What Helm has names of its own for. */
const BUILT_IN: Readonly<Record<string, string>> = {
  namespace: '.Release.Namespace',
  managedBy: '.Release.Service',
}

/** The template as a document of a Helm chart, without the `---` before it. */
export function helmTemplate(template: Template): string {
  if (!(template instanceof Conditional)) return `${lines(template, '').join('\n')}\n`
  return `${[opening(template), ...lines(template.content, ''), '{{- end }}'].join('\n')}\n`
}

/** The lines of a mapping or a list in block style. */
function lines(template: Template, indent: string): string[] {
  if (isList(template)) return template.flatMap((item) => guarded(item, (content) => listItem(content, indent)))
  if (isMapping(template))
    return Object.entries(template).flatMap(([name, field]) =>
      guarded(field, (content) => mappingField(name, content, indent)),
    )
  throw new Error('only mappings and lists have lines of their own')
}

function guarded(template: Template, write: (content: Template) => string[]): string[] {
  if (!(template instanceof Conditional)) return write(template)
  const otherwise = template.otherwise === undefined ? [] : ['{{- else }}', ...write(template.otherwise)]
  return [opening(template), ...write(template.content), ...otherwise, '{{- end }}']
}

function opening({ condition }: Conditional): string {
  if (typeof condition === 'string') return `{{- if ${reference(condition)} }}`
  if ('not' in condition) return `{{- if not ${reference(condition.not)} }}`
  return `{{- if eq ${reference(condition.path)} ${JSON.stringify(condition.is)} }}`
}

function listItem(item: Template, indent: string): string[] {
  if (isLeaf(item)) return [`${indent}- ${leaf(item)}`]
  if (isMapping(item) && !(Object.values(item)[0] instanceof Conditional)) {
    const [first = '', ...rest] = lines(item, `${indent}  `)
    return [`${indent}- ${first.slice(indent.length + 2)}`, ...rest]
  }
  return [`${indent}-`, ...lines(item, `${indent}  `)]
}

function mappingField(name: string, field: Template, indent: string): string[] {
  const key = `${indent}${/^[A-Za-z][\w.\-/]*$/.test(name) ? name : JSON.stringify(name)}:`
  return isLeaf(field) ? [`${key} ${leaf(field)}`] : [key, ...lines(field, `${indent}  `)]
}

function isLeaf(template: Template): boolean {
  if (template instanceof Gap || template instanceof Text) return true
  return typeof template !== 'object' || Object.keys(template).length === 0
}

function leaf(template: Template): string {
  if (template instanceof Gap) return `{{ ${reference(template.path)} | toJson }}`
  if (template instanceof Text) {
    const format = template.parts.map((part) => (typeof part === 'string' ? part.replaceAll('%', '%%') : '%v')).join('')
    const gaps = template.parts.flatMap((part) => (typeof part === 'string' ? [] : [reference(part.path)]))
    return `{{ printf ${[JSON.stringify(format), ...gaps].join(' ')} | toJson }}`
  }
  if (typeof template === 'string' && /^[A-Za-z/][\w./:-]*$/.test(template) && !YAML_WORDS.test(template))
    return template
  // What Prometheus and Grafana put there is not Helm's.
  return JSON.stringify(template).replaceAll('{{', '{{ "{{" }}')
}

/** Words that YAML takes for something else than text. */
const YAML_WORDS = /^(true|false|yes|no|on|off|y|n|null)$|:$/i

function reference(path: string): string {
  return BUILT_IN[path] ?? `.Values.${path}`
}

function isList(template: Template): template is readonly Template[] {
  return Array.isArray(template)
}

function isMapping(template: Template): template is { readonly [field: string]: Template } {
  return typeof template === 'object' && !isList(template) && !isLeaf(template) && !(template instanceof Conditional)
}
