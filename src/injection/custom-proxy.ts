import { PROXY_CONTAINER } from '../resources/cluster-names.ts'
import type { Container } from './settings.ts'

/** A container that stands for the proxy in a pod as it was written, to change what it is like ("Customizing injection" in Istio's documentation). */
export function isCustomProxy({ name, image }: Container): boolean {
  return (name === 'istio-proxy' || name === PROXY_CONTAINER) && (image === 'auto' || image === undefined)
}

/** The proxy's container with what somebody wants to be different: fields replace ours; lists and security settings are added to. */
export function withCustom(proxy: Container, written: Container): Container {
  const { imagePullPolicy, resources, ...custom } = written
  const isOurImage = custom.image === undefined || custom.image === 'auto'
  return {
    ...proxy,
    ...custom,
    // API servers fill in a policy, Always for an image without a tag, and empty resources: nobody wrote these.
    ...(imagePullPolicy && !isOurImage ? { imagePullPolicy } : {}),
    ...(resources && Object.keys(resources).length > 0 ? { resources } : {}),
    image: isOurImage ? (proxy.image ?? '') : (custom.image ?? ''),
    command: proxy.command ?? [],
    args: argumentsOf(proxy.args ?? [], custom.args ?? []),
    env: added(proxy.env, custom.env, ({ name }) => name),
    ports: added(proxy.ports, custom.ports, ({ containerPort }) => containerPort),
    volumeMounts: added(proxy.volumeMounts, custom.volumeMounts, ({ mountPath }) => mountPath),
    securityContext: { ...proxy.securityContext, ...custom.securityContext },
  }
}

const LOG_LEVELS = '--component-log-level'

/** Envoy takes no option twice, and what its parts log is the one that people may set as we do. */
function argumentsOf(ours: readonly string[], theirs: readonly string[]): readonly string[] {
  const at = theirs.some((argument) => argument.startsWith(LOG_LEVELS)) ? ours.indexOf(LOG_LEVELS) : -1
  return [...(at < 0 ? ours : ours.toSpliced(at, 2)), ...theirs]
}

function added<T>(ours: readonly T[] = [], theirs: readonly T[] = [], key: (item: T) => unknown): readonly T[] {
  const keys = new Set(theirs.map(key))
  return [...ours.filter((item) => !keys.has(key(item))), ...theirs]
}
