import packageJson from '../../package.json' with { type: 'json' }
import type { PodTemplate } from '../resources/core.ts'

export type PodSpec = NonNullable<PodTemplate['spec']>
export type Container = PodSpec['containers'][number]
export type Resources = NonNullable<Container['resources']>
export type Texts = Readonly<Record<string, string>>

/** What an installation of Weft puts into pods. */
export interface InjectionSettings {
  /** What namespaces and pods may call this installation in `istio.io/rev`; `default` is also meant by those that ask for a proxy of none by name. */
  readonly revisions: readonly string[]
  /** Namespace of the installation: its own pods get no proxies. */
  readonly systemNamespace: string
  /** Stock Envoy. */
  readonly image: string
  readonly imagePullPolicy?: string
  /** Of proxies whose pods say nothing else. */
  readonly resources: Resources
  /** Who redirects a pod's connections to its proxy: the agent of its node, or an init container that needs NET_ADMIN. */
  readonly capture: 'agent' | 'init-container'
  /** Image with `iptables` for that init container. */
  readonly captureImage: string
  /** Envoy's `--log-level`. */
  readonly logLevel: string
}

/** Resources are those of Istio's default profile. */
export const DEFAULT_SETTINGS: InjectionSettings = {
  revisions: ['default'],
  systemNamespace: 'weft-system',
  image: 'docker.io/envoyproxy/envoy:v1.40.0',
  resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
  capture: 'agent',
  captureImage: `docker.io/weft/weft:${packageJson.version}`,
  logLevel: 'warning',
}
