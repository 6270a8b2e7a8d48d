import packageJson from '../../package.json' with { type: 'json' }
import { closest } from '../resources/did-you-mean.ts'
import type { Values } from './template.ts'

export const PROFILES = ['minimal', 'default', 'production'] as const
export type Profile = (typeof PROFILES)[number]

type Type = 'text' | 'size' | 'whole number' | 'true or false' | 'list' | 'mapping'

/** Something about an installation that can be chosen. */
export interface Setting {
  readonly type: Type
  readonly default: unknown
  /** Profiles that choose otherwise. */
  readonly profiles?: Partial<Readonly<Record<Profile, unknown>>>
  readonly about: string
  /** The only values that there are. */
  readonly choices?: readonly string[]
  /** The least that a number may be. */
  readonly least?: number
  /** Not of the Helm chart: Helm has a way of its own. */
  readonly notOfHelm?: true
}

/** The quantities of Kubernetes that volumes are measured in; nothing is one, too. */
export const SIZE = /^([1-9][0-9]*[KMGT]i?)?$/

/** Kubernetes names: RFC 1123 labels. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** All settings, by their path as in `--set server.replicas=2` and in the chart's values. */
export const SETTINGS = {
  image: {
    type: 'text',
    default: `docker.io/weft/weft:${packageJson.version}`,
    about: 'image of the server and of the node agents',
  },
  imagePullPolicy: {
    type: 'text',
    default: 'IfNotPresent',
    choices: ['Always', 'IfNotPresent', 'Never'],
    about: 'when nodes fetch it',
  },
  imagePullSecrets: {
    type: 'list',
    default: [],
    about: 'Secrets in the namespace of Weft to fetch it with: [{name: ...}]',
  },
  proxyImage: {
    type: 'text',
    default: 'docker.io/envoyproxy/envoy:v1.40.0',
    about: 'image of the proxies in pods and gateways: stock Envoy',
  },
  capture: {
    type: 'text',
    default: 'agent',
    choices: ['agent', 'init-container'],
    about:
      "who redirects pods' traffic to their proxies: the agents of their nodes, or an init container in each pod, which needs NET_ADMIN, where agents may not enter the networks of pods",
  },
  revision: {
    type: 'text',
    default: 'default',
    about:
      'pods and namespaces labelled istio.io/rev with this name get proxies; those labelled istio-injection=enabled only from the revision "default"',
  },
  trustDomain: {
    type: 'text',
    default: 'cluster.local',
    about:
      "first part of every workload's identity. To change it with no request failing, see the operation of certificates",
  },
  trustDomainAliases: {
    type: 'text',
    default: '',
    about:
      'other names of the trust domain, separated by commas: whoever shows an identity of theirs is of the mesh, too, and what policies say of one holds for all',
  },
  selfMadeRoot: {
    type: 'text',
    default: 'info',
    profiles: { production: 'warning' },
    choices: ['info', 'warning'],
    about: 'how servers, and `weft analyze`, speak of a root that Weft made by itself, which is not for production',
  },
  fips: {
    type: 'true or false',
    default: false,
    about:
      'cryptography that FIPS 140 approves alone: servers and agents end where their Node.js has no FIPS provider, and proxies that are not built for it get no configuration. The usual images are not: set image and proxyImage to ones that are',
  },
  'server.replicas': {
    type: 'whole number',
    default: 1,
    least: 1,
    about: 'how many servers; of no account with server.autoscaling',
  },
  'server.resources': {
    type: 'mapping',
    default: { requests: { cpu: '100m', memory: '256Mi' } },
    profiles: {
      minimal: { requests: { cpu: '10m', memory: '96Mi' } },
      production: { requests: { cpu: '500m', memory: '1Gi' } },
    },
    about:
      'requests and limits of a server. There is no limit by default: a server that is held back or killed helps nobody',
  },
  'server.autoscaling': {
    type: 'true or false',
    default: false,
    profiles: { production: true },
    about: 'a HorizontalPodAutoscaler decides how many servers there are; needs metrics-server',
  },
  'server.minReplicas': { type: 'whole number', default: 2, least: 1, about: 'with server.autoscaling' },
  'server.maxReplicas': { type: 'whole number', default: 5, least: 1, about: 'with server.autoscaling' },
  'server.disruptionBudget': {
    type: 'true or false',
    default: false,
    profiles: { production: true },
    about: 'a PodDisruptionBudget: no more than one server is taken away at a time',
  },
  'server.spread': {
    type: 'true or false',
    default: false,
    profiles: { production: true },
    about: 'servers are spread evenly over nodes, and over zones as far as can be',
  },
  'server.storageSize': {
    type: 'size',
    default: '',
    profiles: { production: '2Gi' },
    about:
      'size of a volume for each server, in which telemetry, evidence, objectives and alerts outlive its pod; servers are a StatefulSet then. Empty: they go with the pod. 1Gi is the least that holds all that a server keeps',
  },
  'server.storageClassName': {
    type: 'text',
    default: '',
    about: "StorageClass of those volumes; the cluster's default one if empty",
  },
  'server.priorityClassName': {
    type: 'text',
    default: '',
    profiles: { production: 'system-cluster-critical' },
    about: 'who is evicted first where a node is full',
  },
  'server.nodeSelector': {
    type: 'mapping',
    default: { 'kubernetes.io/os': 'linux' },
    about: 'nodes that a server may be on',
  },
  'server.tolerations': { type: 'list', default: [], about: "taints of nodes that don't matter to a server" },
  'agent.resources': {
    type: 'mapping',
    default: { requests: { cpu: '50m', memory: '128Mi' } },
    profiles: { minimal: { requests: { cpu: '10m', memory: '64Mi' } } },
    about: 'requests and limits of the agent of a node',
  },
  'agent.priorityClassName': {
    type: 'text',
    default: 'system-node-critical',
    about: "pods with a proxy can't start on a node without its agent",
  },
  'agent.nodeSelector': {
    type: 'mapping',
    default: { 'kubernetes.io/os': 'linux' },
    about: 'nodes that have pods with proxies',
  },
  'agent.tolerations': {
    type: 'list',
    default: [{ operator: 'Exists' }],
    about: "taints of nodes that don't matter to an agent",
  },
  'telemetryExport.url': {
    type: 'text',
    default: '',
    about: 'a receiver of OTLP/HTTP that servers send all telemetry to, too, such as http://collector.monitoring:4318',
  },
  'telemetryExport.headersSecret': {
    type: 'text',
    default: '',
    about:
      'a Secret in the namespace of Weft whose key "headers" has the headers for that receiver: NAME=VALUE, separated by commas',
  },
  'monitoring.grafanaDashboards': {
    type: 'true or false',
    default: false,
    about: "ConfigMaps with dashboards, labelled grafana_dashboard=1, as the sidecar of Grafana's chart looks for them",
  },
  'monitoring.prometheusOperator': {
    type: 'true or false',
    default: false,
    about: 'two PodMonitors and a PrometheusRule, for the Prometheus operator, whose kinds have to be there',
  },
  'monitoring.release': {
    type: 'text',
    default: '',
    about:
      'label "release" of these, by which the Prometheus of a Helm release chooses them, such as kube-prometheus-stack',
  },
  networkPolicy: {
    type: 'true or false',
    default: false,
    profiles: { production: true },
    about: 'a NetworkPolicy that lets others reach only the ports of the server that are meant for them',
  },
  validation: {
    type: 'true or false',
    default: true,
    profiles: { minimal: false },
    about: 'a webhook refuses configuration in which weft analyze finds errors',
  },
  gatewayClass: { type: 'true or false', default: true, about: 'the GatewayClass "weft", for Gateways of Gateway API' },
  'crds.istio': {
    type: 'true or false',
    default: true,
    notOfHelm: true,
    about: "definitions of Istio's kinds, where the cluster has none",
  },
  'crds.gatewayApi': {
    type: 'true or false',
    default: true,
    notOfHelm: true,
    about: "definitions of Gateway API's kinds (experimental channel), where the cluster has none",
  },
  'crds.weft': {
    type: 'true or false',
    default: true,
    notOfHelm: true,
    about: "definitions of Weft's own kinds",
  },
} as const satisfies Readonly<Record<string, Setting>>

export type SettingPath = keyof typeof SETTINGS

/** What a person chose. */
export interface Choices {
  readonly profile?: Profile
  readonly namespace: string
  readonly set?: Values
}

/** The values of all settings, and of what the objects need beside them. @throws Error naming the setting, and what would be right */
export function settingValues({ profile = 'default', namespace, set = {} }: Choices): Values {
  if (!NAME.test(namespace)) throw new Error(`"${namespace}" is no name of a namespace; use a-z, 0-9 and -`)
  for (const [path, value] of Object.entries(set)) check(path, value)
  const chosen = Object.entries<Setting>(SETTINGS).map(([path, setting]) => [
    path,
    set[path] ?? setting.profiles?.[profile] ?? setting.default,
  ])
  const values = Object.fromEntries(chosen)
  if (!NAME.test(values['revision'])) throw new Error(`revision "${values['revision']}" is no name; use a-z, 0-9 and -`)
  if (values['server.minReplicas'] > values['server.maxReplicas'])
    throw new Error('server.minReplicas is more than server.maxReplicas; make it at most that')
  return { ...values, namespace, managedBy: MANAGED_BY }
}

/** The label app.kubernetes.io/managed-by of objects that `weft install` made; with Helm it says Helm. */
export const MANAGED_BY = 'weft-install'

/**
 * What `--set PATH=VALUE` says, read as YAML. `--set server.nodeSelector={disk: ssd}` for mappings.
 * @throws Error naming the setting, and what would be right
 */
export function parseSet(words: readonly string[], readYaml: (text: string) => unknown): Values {
  return Object.fromEntries(
    words.map((word) => {
      const equals = word.indexOf('=')
      if (equals < 1) throw new Error(`"${word}" sets nothing; write PATH=VALUE, as in server.replicas=2`)
      const [path, written] = [word.slice(0, equals), word.slice(equals + 1)]
      const type = (SETTINGS as Readonly<Record<string, Setting>>)[path]?.type
      const value = type === 'text' || type === 'size' ? written : readYaml(written)
      check(path, value)
      return [path, value]
    }),
  )
}

function check(path: string, value: unknown): void {
  const setting = (SETTINGS as Readonly<Record<string, Setting>>)[path]
  if (!setting) {
    const near = closest(path, Object.keys(SETTINGS))
    throw new Error(
      `there is no setting "${path}"; ${near ? `write ${near} if that was meant` : 'see weft install --help'}`,
    )
  }
  const { type, choices, least } = setting
  const shown = typeof value === 'string' ? `"${value}"` : JSON.stringify(value)
  if (!isOfType(value, type)) throw new Error(`${path} is ${shown}; it has to be ${ARTICLES[type]}`)
  if (choices && !choices.includes(value as string))
    throw new Error(`${path} is ${shown}; it has to be one of ${choices.join(', ')}`)
  if (least !== undefined && (value as number) < least)
    throw new Error(`${path} is ${shown}; it has to be ${least} or more`)
}

const ARTICLES: Readonly<Record<Type, string>> = {
  text: 'text',
  size: 'a size, as in 2Gi, or nothing',
  'whole number': 'a whole number',
  'true or false': 'true or false',
  list: 'a list, as in [{operator: Exists}]',
  mapping: 'a mapping, as in {disk: ssd}',
}

function isOfType(value: unknown, type: Type): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string'
    case 'size':
      return typeof value === 'string' && SIZE.test(value)
    case 'whole number':
      return Number.isInteger(value)
    case 'true or false':
      return typeof value === 'boolean'
    case 'list':
      return Array.isArray(value)
    case 'mapping':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
  }
}
