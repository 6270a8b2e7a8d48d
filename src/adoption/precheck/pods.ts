import { PROXY_UID } from '../../resources/cluster-names.ts'
import {
  type Found,
  initContainers,
  type PodContainer,
  type PodFields,
  type Probe,
  podOf,
  type Requirement,
  runningContainers,
} from './requirement.ts'

export const NOT_THE_PROXYS_USER: Requirement = {
  id: 'user',
  about: 'users of containers',
  holds: `no container runs as user ${PROXY_UID}, the proxy's (Istio: "Application UIDs")`,
  look: (workload) => {
    const pod = podOf(workload)
    return [...(pod.containers ?? []), ...(pod.initContainers ?? [])].flatMap(({ name, securityContext }): Found[] => {
      const user = securityContext?.runAsUser ?? pod.securityContext?.runAsUser
      const group = securityContext?.runAsGroup ?? pod.securityContext?.runAsGroup
      if (user !== PROXY_UID && group !== PROXY_UID) return []
      return [
        {
          severity: 'error',
          problem: `container "${name}" runs as ${user === PROXY_UID ? 'user' : 'group'} ${PROXY_UID}: its calls are taken for the proxy's, and go past the mesh`,
          remedy: 'set another runAsUser and runAsGroup',
        },
      ]
    })
  },
}

export const OWN_NETWORK: Requirement = {
  id: 'own-network',
  about: 'network of the pod',
  holds: 'pods have a network of their own',
  look: (workload) =>
    podOf(workload).hostNetwork
      ? [
          {
            severity: 'error',
            problem: 'its pods use the network of their node (hostNetwork): they get no proxy',
            remedy: 'leave hostNetwork out, or exempt the application (spec.exempt)',
          },
        ]
      : [],
}

export const LABELS: Requirement = {
  id: 'labels',
  about: 'labels',
  holds: 'pods have labels app and version (Istio: "Pods with app and version labels")',
  look: ({ template }) => {
    const labels = template.metadata?.labels ?? {}
    const hasApp = labels['app'] ?? labels['app.kubernetes.io/name'] ?? labels['service.istio.io/canonical-name']
    const hasVersion =
      labels['version'] ?? labels['app.kubernetes.io/version'] ?? labels['service.istio.io/canonical-revision']
    return [
      ...(hasApp === undefined
        ? [
            {
              severity: 'warning',
              problem: 'its pods have no label app: metrics name it by its workload',
              remedy: 'add the label app or app.kubernetes.io/name to the template',
            } as const,
          ]
        : []),
      ...(hasVersion === undefined
        ? [
            {
              severity: 'info',
              problem: 'its pods have no label version: releases by share of requests need it',
              remedy: 'add the label version to the template',
            } as const,
          ]
        : []),
    ]
  },
}

export const NOT_OPTED_OUT: Requirement = {
  id: 'not-opted-out',
  about: 'injection',
  holds: 'pods do not say that they want no proxy',
  look: ({ template }) => {
    const { labels = {}, annotations = {} } = template.metadata ?? {}
    const key = ['weft.dev/inject', 'sidecar.istio.io/inject'].find(
      (each) => (labels[each] ?? annotations[each]) === 'false',
    )
    return key === undefined
      ? []
      : [
          {
            severity: 'error',
            problem: `its pods say ${key}: "false": they get no proxy`,
            remedy: 'take that away when it is to join',
          },
        ]
  },
}

/** Containers of other meshes, by their names. */
const OTHER_PROXIES = new Set(['istio-proxy', 'linkerd-proxy', 'kuma-sidecar', 'consul-dataplane', 'envoy'])

export const ONE_PROXY: Requirement = {
  id: 'one-proxy',
  about: 'other proxies',
  holds: 'pods have no proxy of another mesh',
  look: (workload) =>
    runningContainers(podOf(workload))
      .filter(({ name, image }) => OTHER_PROXIES.has(name) && image !== 'auto')
      .map(
        ({ name }): Found => ({
          severity: 'error',
          problem: `container "${name}" is a proxy already: two that redirect the same traffic shut it out`,
          remedy: 'take it away first, or leave the pod out of the mesh',
        }),
      ),
}

export const PROBES: Requirement = {
  id: 'probes',
  about: 'probes',
  holds: 'probes can go through the proxy (Istio: "Health Checking of Istio Services")',
  look: (workload) => {
    const containers = runningContainers(podOf(workload))
    const names = new Set(containers.flatMap(({ ports = [] }) => ports.flatMap(({ name }) => name ?? [])))
    return containers.flatMap((container) => [...probeProblems(container, names), ...lackingProbe(container)])
  },
}

function probeProblems(
  { name, readinessProbe, livenessProbe, startupProbe }: PodContainer,
  names: ReadonlySet<string>,
): Found[] {
  const probes: readonly (readonly [string, Probe | undefined])[] = [
    ['readinessProbe', readinessProbe],
    ['livenessProbe', livenessProbe],
    ['startupProbe', startupProbe],
  ]
  return probes.flatMap(([kind, probe]): Found[] => {
    const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port
    const host = probe?.httpGet?.host
    return [
      ...(typeof port === 'string' && !/^\d+$/.test(port) && !names.has(port)
        ? [
            {
              severity: 'error',
              problem: `${kind} of container "${name}" asks a port called "${port}", which no container has`,
              remedy: 'name a port of a container so, or write its number',
            } as const,
          ]
        : []),
      ...(host !== undefined
        ? [
            {
              severity: 'warning',
              problem: `${kind} of container "${name}" asks ${host} rather than the pod: it does not go through the proxy`,
              remedy: 'leave host out of the probe',
            } as const,
          ]
        : []),
    ]
  })
}

function lackingProbe({ name, ports = [], readinessProbe }: PodContainer): Found[] {
  if (ports.length === 0 || readinessProbe) return []
  return [
    {
      severity: 'warning',
      problem: `container "${name}" has ports and no readinessProbe: it counts as ready as soon as it runs, and a rollout goes on too early`,
      remedy: 'add a readinessProbe',
    },
  ]
}

/** Words in commands that call others. */
const CALLS = /\b(curl|wget|nc|dig|nslookup|psql|mysql|redis-cli|git|https?:\/\/|kubectl)/

export const INIT_CONTAINERS: Requirement = {
  id: 'init-containers',
  about: 'init containers',
  holds: 'init containers that call others do so as workloads of the mesh (Istio: "Application Init Containers")',
  look: (workload) => {
    const pod = podOf(workload)
    return initContainers(pod).flatMap((container): Found[] => {
      const text = [...(container.command ?? []), ...(container.args ?? [])].join(' ')
      const changesRules = container.securityContext?.capabilities?.add?.some(
        (name) => name === 'NET_ADMIN' || name === 'NET_RAW',
      )
      return [
        ...(CALLS.test(text)
          ? [
              {
                severity: 'info',
                problem: `init container "${container.name}" calls others: it does so through the proxy, which starts before it, with the identity of the pod`,
                remedy: 'count it among the callers when policies are written',
              } as const,
            ]
          : []),
        ...(changesRules
          ? [
              {
                severity: 'warning',
                problem: `init container "${container.name}" may change the rules of the network, by which traffic comes to the proxy`,
                remedy: 'look at what it does; leave NET_ADMIN and NET_RAW out where it need not',
              } as const,
            ]
          : []),
      ]
    })
  },
}

export const START_AND_END: Requirement = {
  id: 'start-and-end',
  about: 'startup and end',
  holds: 'what the application does as it starts and ends works beside a proxy (Istio: "Sidecar lifecycle")',
  look: (workload) => {
    const pod = podOf(workload)
    return [...waitLoops(pod), ...shortEnd(pod), ...quitCalls(pod)]
  },
}

/** Work-arounds for proxies that start too late, which a native sidecar makes needless. */
function waitLoops(pod: PodFields): Found[] {
  return [...(pod.containers ?? []), ...(pod.initContainers ?? [])]
    .filter(({ command = [], args = [] }) =>
      /15021|15020\/(?!quit)|healthz\/ready/.test([...command, ...args].join(' ')),
    )
    .map(
      ({ name }): Found => ({
        severity: 'info',
        problem: `container "${name}" waits for the proxy by itself: Weft's starts before it anyway`,
        remedy: 'the loop can go, once everything runs on Weft',
      }),
    )
}

function quitCalls(pod: PodFields): Found[] {
  return (pod.containers ?? [])
    .filter(({ command = [], args = [], lifecycle }) =>
      /quitquitquit/.test(`${[...command, ...args].join(' ')} ${JSON.stringify(lifecycle ?? {})}`),
    )
    .map(
      ({ name }): Found => ({
        severity: 'info',
        problem: `container "${name}" ends the proxy by itself (quitquitquit): Weft's ends after the application, and takes the call for nothing`,
        remedy: 'the call can go, once everything runs on Weft',
      }),
    )
}

/** Proxies go on for so long after they are told to end, in s. */
const DRAIN_SECONDS = 5

function shortEnd({ terminationGracePeriodSeconds: grace }: PodFields): Found[] {
  if (grace === undefined || grace > DRAIN_SECONDS) return []
  return [
    {
      severity: 'warning',
      problem: `its pods have ${grace} s to end, and their proxies go on for ${DRAIN_SECONDS} s so that clients learn of it`,
      remedy: `set terminationGracePeriodSeconds to ${DRAIN_SECONDS * 2} or more`,
    },
  ]
}

export const IDENTITY: Requirement = {
  id: 'identity',
  about: 'identity',
  holds: 'pods have a service account of their own: it is what policies name',
  look: (workload) => {
    const account = podOf(workload).serviceAccountName ?? 'default'
    return account === 'default'
      ? [
          {
            severity: 'warning',
            problem:
              'its pods use the service account "default": to policies they are the same as all others of the namespace that do',
            remedy: 'make a ServiceAccount for it, and set serviceAccountName',
          },
        ]
      : []
  },
}

/** Variables in which people give addresses rather than names. */
const ADDRESS = /(?:^|[/@,=])((?:10|172\.(?:1[6-9]|2\d|3[01])|192\.168)(?:\.\d{1,3}){2,3})(?::\d+)?/

export const CALLS_BY_NAME: Requirement = {
  id: 'calls-by-name',
  about: 'calls by address',
  holds:
    'the application calls others by names of Services, and binds to all addresses (Istio: "Application Bind Address")',
  look: (workload) =>
    (podOf(workload).containers ?? []).flatMap(({ name, env = [], args = [], command = [] }): Found[] => {
      const texts = [
        ...env.map(({ name: key, value = '' }) => [key, value] as const),
        ...[...command, ...args].map((each) => ['an argument', String(each)] as const),
      ]
      return texts.flatMap(([key, text]): Found[] => {
        const [, address] = ADDRESS.exec(text) ?? []
        if (address !== undefined)
          return [
            {
              severity: 'info',
              problem: `container "${name}" is told the address ${address} (${key}): calls to addresses are passed on as plain TCP`,
              remedy: 'give it the name of the Service instead',
            },
          ]
        if (/bind|listen|host|address/i.test(key) && /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(text))
          return [
            {
              severity: 'warning',
              problem: `container "${name}" seems to listen at ${text} only (${key}): who is asked by the address of the pod does not reach it`,
              remedy: 'let it listen at 0.0.0.0, or at [::]',
            },
          ]
        return []
      })
    }),
}
