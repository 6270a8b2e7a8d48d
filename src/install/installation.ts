import packageJson from '../../package.json' with { type: 'json' }
import { GATEWAY_CONTROLLER } from '../mesh/routing/gateway-names.ts'
import { ACCESS } from './access.ts'
import { AGENT } from './agent.ts'
import { MONITORING } from './monitoring.ts'
import { ofCluster } from './objects.ts'
import { SERVER } from './server.ts'
import { fill, type Template, type Values, value, when } from './template.ts'
import { WEBHOOKS } from './webhooks.ts'

/** An object to be written to a cluster. */
export interface InstalledObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/**
 * Where Weft lives. The agents need what Pod Security calls `privileged` (the host's network and processes); the server would pass
 * `restricted`.
 */
const namespace: Template = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: value('namespace'),
    labels: {
      'app.kubernetes.io/part-of': 'weft',
      'app.kubernetes.io/version': packageJson.version,
      'app.kubernetes.io/managed-by': value('managedBy'),
      'pod-security.kubernetes.io/enforce': 'privileged',
      'pod-security.kubernetes.io/audit': 'privileged',
      'pod-security.kubernetes.io/warn': 'privileged',
    },
  },
}

/** For Gateways of Gateway API: `gatewayClassName: weft`. */
const gatewayClass: Template = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: ofCluster('weft', 'weft-server'),
  spec: { controllerName: GATEWAY_CONTROLLER, description: 'Envoy proxies configured by Weft' },
}

/** The parts of an installation in the order in which they are written; files of the Helm chart are called so. */
export const PARTS = {
  // Helm makes the namespace of a release itself.
  namespace: [namespace],
  access: ACCESS,
  server: SERVER,
  agent: AGENT,
  monitoring: MONITORING,
  'gateway-class': [when('gatewayClass', gatewayClass)],
  // Last: from then on pods wait for a server.
  webhooks: WEBHOOKS,
} as const satisfies Readonly<Record<string, readonly Template[]>>

export type Part = keyof typeof PARTS

/** The objects of one part. @param values of `settingValues` */
export function fillPart(part: Part, values: Values): readonly InstalledObject[] {
  return PARTS[part].flatMap((template) => {
    const object = fill(template, values)
    return object === undefined ? [] : [object as InstalledObject]
  })
}

/** All objects of an installation but for the definitions of kinds (`definitions.ts`). @param values of `settingValues` */
export function installation(values: Values): readonly InstalledObject[] {
  return (Object.keys(PARTS) as Part[]).flatMap((part) => fillPart(part, values))
}
