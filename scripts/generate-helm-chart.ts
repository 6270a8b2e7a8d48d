// Writes the Helm chart, docs/reference/rbac.md and docs/reference/install-settings.md from src/install. A test says when they are out of date.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import packageJson from '../package.json' with { type: 'json' }
import { PARTS } from '../src/install/installation.ts'
import { GRANTS, type Permission } from '../src/install/rbac.ts'
import { PROFILES, type Profile, SETTINGS, type Setting, SIZE } from '../src/install/settings.ts'
import { helmTemplate } from '../src/install/template.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const CHART = 'deploy/helm/weft'
const NOTE = '# Made by scripts/generate-helm-chart.ts from src/install: change it there.'

const settings: readonly (readonly [path: string, setting: Setting])[] = Object.entries<Setting>(SETTINGS)
const helmSettings = settings.filter(([, { notOfHelm }]) => !notOfHelm)

/** The files by their path in the checkout. */
export function installationFiles(): Readonly<Record<string, string>> {
  const templates = Object.entries(PARTS).flatMap(([part, objects]) =>
    // Helm makes the namespace of a release itself.
    part === 'namespace'
      ? []
      : [
          [
            `${CHART}/templates/${part}.yaml`,
            [NOTE, '\n', ...objects.map((object) => `---\n${helmTemplate(object)}`)].join(''),
          ],
        ],
  )
  const profiles = PROFILES.filter((profile) => profile !== 'default')
  return {
    [`${CHART}/Chart.yaml`]: `${NOTE}\n${stringify(chart)}`,
    [`${CHART}/values.yaml`]: values(),
    [`${CHART}/values.schema.json`]: `${JSON.stringify(schema(), null, 2)}\n`,
    [`${CHART}/templates/NOTES.txt`]: NOTES,
    ...Object.fromEntries(templates),
    ...Object.fromEntries(profiles.map((profile) => [`${CHART}/profile-${profile}.yaml`, profileValues(profile)])),
    'docs/reference/rbac.md': rbacReference(),
    'docs/reference/install-settings.md': settingsReference(),
  }
}

const chart = {
  apiVersion: 'v2',
  name: 'weft',
  description: 'The service mesh Weft: control plane, node agents and webhooks',
  type: 'application',
  version: packageJson.version,
  appVersion: packageJson.version,
  kubeVersion: '>=1.30.0-0',
}

const NOTES = `Weft is installed to namespace {{ .Release.Namespace }}.

Its agents need the host's network and processes; where Pod Security is enforced, the namespace has to allow that:
  kubectl label namespace {{ .Release.Namespace }} pod-security.kubernetes.io/enforce=privileged

Pods that are made from now on get a proxy in namespaces that ask for it:
  kubectl label namespace default {{ if eq .Values.revision "default" }}istio-injection=enabled{{ else }}istio.io/rev={{ .Values.revision }}{{ end }}
  kubectl rollout restart deployment
`

/** `server.replicas: 1` to `server: { replicas: 1 }`. */
function nested(flat: readonly (readonly [path: string, value: unknown])[]): Record<string, unknown> {
  const tree: Record<string, unknown> = {}
  for (const [path, value] of flat) {
    const [first = '', second] = path.split('.')
    if (second === undefined) tree[first] = value
    else tree[first] = { ...(tree[first] as Record<string, unknown> | undefined), [second]: value }
  }
  return tree
}

/** With what each setting is about. */
function values(): string {
  const lines = [NOTE, '']
  let section = ''
  for (const [path, { default: value, about, choices }] of helmSettings) {
    const [first = '', second] = path.split('.')
    if (second !== undefined && first !== section) lines.push(`${first}:`)
    section = second === undefined ? '' : first
    const indent = second === undefined ? '' : '  '
    const text = stringify({ [second ?? first]: value }, { lineWidth: 0 }).trimEnd()
    const said = choices ? `${about}: ${choices.join(', ')}` : about
    lines.push(...[`# ${said}`, ...text.split('\n')].map((line) => indent + line))
  }
  return `${lines.join('\n')}\n`
}

function profileValues(profile: Profile): string {
  const chosen = helmSettings.flatMap(([path, { profiles }]) => {
    const value = profiles?.[profile]
    return value === undefined ? [] : [[path, value] as const]
  })
  return `${NOTE}\n# helm install ... -f profile-${profile}.yaml\n${stringify(nested(chosen))}`
}

const JSON_TYPES: Readonly<Record<Setting['type'], string>> = {
  text: 'string',
  size: 'string',
  'whole number': 'integer',
  'true or false': 'boolean',
  list: 'array',
  mapping: 'object',
}

/** So that Helm refuses a name or a type that is wrong, as `weft install` does. */
function schema(): unknown {
  const leaf = ({ type, about, choices, least }: Setting) => ({
    type: JSON_TYPES[type],
    description: about,
    ...(choices ? { enum: choices } : {}),
    ...(type === 'size' ? { pattern: SIZE.source } : {}),
    ...(least === undefined ? {} : { minimum: least }),
  })
  const properties = nested(helmSettings.map(([path, setting]) => [path, leaf(setting)]))
  const sections = new Set(helmSettings.flatMap(([path]) => (path.includes('.') ? [path.split('.')[0] ?? ''] : [])))
  for (const section of sections)
    properties[section] = { type: 'object', additionalProperties: false, properties: properties[section] }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: false,
    // What Helm itself puts there.
    properties: { global: { type: 'object' }, ...properties },
  }
}

const PAGE_NOTE = '<!-- Made by scripts/generate-helm-chart.ts from src/install: change it there. -->'

function rbacReference(): string {
  const sections = GRANTS.map(({ account, scope, permissions }) =>
    [
      `## \`${account}\`, ${scope === 'cluster' ? 'in the whole cluster' : 'in the namespace of Weft'}`,
      ['| objects | may | why |', '| --- | --- | --- |', ...permissions.map(permissionRow)].join('\n'),
    ].join('\n\n'),
  )
  return `${[
    '# What Weft may do in a cluster',
    PAGE_NOTE,
    'Two service accounts, `weft-server` for the control plane and `weft-agent` for the agent of each node. These are all of their rules; there is no rule with `*`. The cluster tests run with exactly these, and one fails where a verb of a rule has not been made use of.',
    ...sections,
    '## In pods',
    "Proxies use no permission: their pods' service account tokens are for the audience `weft` alone, and the API server refuses them.",
    "The agents' containers run as root with the capabilities `NET_ADMIN`, `SYS_ADMIN` and `SYS_PTRACE` and all others dropped, on the host's network and with sight of its processes: they set up redirection in the network namespaces of pods, so that pods need no privilege at all. The server's run as nobody with none.",
  ].join('\n\n')}\n`
}

function permissionRow({ group, resources, verbs, names, reason }: Permission): string {
  const objects = resources.map((resource) => `\`${resource}${group === '' ? '' : `.${group}`}\``).join(', ')
  const named = names ? ` named ${names.map((name) => `\`${name}\``).join(', ')}` : ''
  return `| ${objects}${named} | ${verbs.join(', ')} | ${reason} |`
}

function settingsReference(): string {
  const shown = (value: unknown) => (value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('|', '\\|')}\``)
  const rows = settings.map(([path, { default: value, profiles, about, choices, notOfHelm }]) => {
    const more = [...(choices ? [`one of ${choices.join(', ')}`] : []), ...(notOfHelm ? ['not in the Helm chart'] : [])]
    const said = [about, ...more].join('; ')
    return `| \`${path}\` | ${said} | ${shown(value)} | ${shown(profiles?.minimal)} | ${shown(profiles?.production)} |`
  })
  return `${[
    '# Settings of an installation',
    PAGE_NOTE,
    "For `weft install --set PATH=VALUE`, and for `helm install --set PATH=VALUE` or a file of values. Values are YAML: `--set 'server.nodeSelector={disk: ssd}'`. Profiles choose otherwise where a value stands in their column; a `--set` comes after the profile.",
    ['| setting | what it is | default | minimal | production |', '| --- | --- | --- | --- | --- |', ...rows].join(
      '\n',
    ),
  ].join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(installationFiles())) {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    console.log(path)
  }
}
