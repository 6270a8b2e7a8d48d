import { type EstateObject, objectsOf, selects, workloadsOf } from '../estate/estate.ts'
import { type Basic, containersWhere, looked, ofWorkloads, WORKLOADS } from './basic.ts'

/** Of a pod, what the items below look at. */
interface PodFields {
  readonly hostNetwork?: boolean
  readonly hostPID?: boolean
  readonly hostIPC?: boolean
  readonly serviceAccountName?: string
  readonly automountServiceAccountToken?: boolean
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean
    readonly runAsUser?: number
    readonly seccompProfile?: { readonly type?: string }
  }
}

const podOf = (workload: { readonly template: { readonly spec?: unknown } }) =>
  (workload.template.spec ?? {}) as PodFields

export const NETWORK_POLICIES: Basic = {
  id: 'network-policies',
  about: 'a NetworkPolicy selects the pods of every workload',
  why: 'mTLS says who calls, not from where: network policies stay the second fence, and must let the ports of the mesh through.',
  remedy: 'add a NetworkPolicy that denies by default, and allow what is needed',
  cis: '5.3.2',
  kinds: ['NetworkPolicy', ...WORKLOADS],
  look: (estate) => {
    const policies = objectsOf(estate, 'NetworkPolicy')
    return workloadsOf(estate).map(({ namespace, template, object }) => {
      const labels = template.metadata?.labels ?? {}
      const covered = policies.some(
        (policy) => policy.metadata.namespace === namespace && selects(selectorOf(policy), labels),
      )
      return looked(object, covered ? undefined : 'no NetworkPolicy selects its pods')
    })
  },
}

function selectorOf(policy: EstateObject): Parameters<typeof selects>[0] {
  return (policy['spec'] as { podSelector?: Parameters<typeof selects>[0] } | undefined)?.podSelector ?? {}
}

export const NOT_PRIVILEGED: Basic = {
  id: 'not-privileged',
  about: 'no container is privileged or may gain privileges',
  why: 'Who is root on the node can read the keys of every workload there: identities are worth as much as nodes are.',
  remedy: 'set securityContext.privileged and allowPrivilegeEscalation to false',
  cis: '5.2.2, 5.2.6',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const names = containersWhere(
      workload,
      ({ securityContext }) =>
        securityContext?.privileged === true || securityContext?.allowPrivilegeEscalation !== false,
    )
    return names && `container ${names} is privileged, or does not set allowPrivilegeEscalation: false`
  }),
}

export const NOT_ROOT: Basic = {
  id: 'not-root',
  about: 'every container runs as a user that is not root',
  why: 'Root in a pod can go around its proxy. And Istio-style capture lets traffic of user 1337 through: nobody else may be that.',
  remedy: 'set securityContext.runAsNonRoot: true, with a user other than 1337',
  cis: '5.2.7',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const pod = podOf(workload).securityContext
    const names = containersWhere(workload, ({ securityContext }) => {
      const nonRoot = securityContext?.runAsNonRoot ?? pod?.runAsNonRoot
      const user = securityContext?.runAsUser ?? pod?.runAsUser
      return nonRoot !== true && (user === undefined || user === 0)
    })
    return names && `container ${names} may run as root`
  }),
}

export const OWN_NETWORK: Basic = {
  id: 'own-namespaces',
  about: 'no pod shares the network, processes or IPC of its node',
  why: 'A pod with the host network gets no proxy and no identity: it stays outside of the mesh.',
  remedy: 'leave hostNetwork, hostPID and hostIPC out, or exempt the application',
  cis: '5.2.3, 5.2.4, 5.2.5',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const { hostNetwork, hostPID, hostIPC } = podOf(workload)
    const used = [hostNetwork && 'hostNetwork', hostPID && 'hostPID', hostIPC && 'hostIPC'].filter(Boolean)
    return used.length === 0 ? undefined : `it sets ${used.join(', ')}`
  }),
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline */
const BASELINE_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])

export const CAPABILITIES: Basic = {
  id: 'capabilities',
  about: 'no container adds capabilities beyond the baseline',
  why: 'With NET_ADMIN or NET_RAW a container can change the rules by which its traffic goes through the proxy.',
  remedy: 'drop ALL, and add only what is needed',
  cis: '5.2.8, 5.2.9',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const names = containersWhere(workload, ({ securityContext }) =>
      (securityContext?.capabilities?.add ?? []).some((name) => !BASELINE_CAPABILITIES.has(name)),
    )
    return names && `container ${names} adds capabilities beyond the baseline`
  }),
}

export const SECCOMP: Basic = {
  id: 'seccomp',
  about: 'every pod has a seccomp profile',
  why: 'It is part of the "restricted" standard, which pods with a Weft proxy pass.',
  remedy: 'set securityContext.seccompProfile.type: RuntimeDefault',
  cis: '5.7.2',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    if (podOf(workload).securityContext?.seccompProfile?.type) return undefined
    const names = containersWhere(workload, ({ securityContext }) => !securityContext?.seccompProfile?.type)
    return names && `container ${names} has no seccomp profile`
  }),
}

export const OWN_SERVICE_ACCOUNT: Basic = {
  id: 'own-service-account',
  about: 'every workload has a service account of its own',
  why: 'The service account is the identity: with "default" all workloads of a namespace are one to every policy.',
  remedy: 'make a ServiceAccount for it, and set spec.serviceAccountName',
  cis: '5.1.5',
  kinds: WORKLOADS,
  look: (estate) => {
    const workloads = workloadsOf(estate)
    const users = new Map<string, string[]>()
    for (const { namespace, name, ...workload } of workloads) {
      const key = `${namespace}/${podOf(workload).serviceAccountName ?? 'default'}`
      users.set(key, [...(users.get(key) ?? []), appOf(workload.template.metadata?.labels) ?? name])
    }
    return workloads.map(({ namespace, object, ...workload }) => {
      const account = podOf(workload).serviceAccountName ?? 'default'
      const apps = new Set(users.get(`${namespace}/${account}`))
      const problem =
        account === 'default'
          ? 'it uses the service account "default"'
          : apps.size > 1
            ? `its service account "${account}" is used by ${[...apps].sort().join(', ')}`
            : undefined
      return looked(object, problem)
    })
  },
}

/** Versions of one application may well share an identity. */
function appOf(labels: Readonly<Record<string, string>> | undefined): string | undefined {
  return labels?.['app'] ?? labels?.['app.kubernetes.io/name']
}

export const NO_UNUSED_TOKENS: Basic = {
  id: 'unused-tokens',
  about: 'pods that do not ask the Kubernetes API have no token for it',
  why: 'A stolen token is a stolen identity: it can be exchanged for certificates of the workload.',
  remedy: 'set automountServiceAccountToken: false where the Kubernetes API is not used',
  cis: '5.1.6',
  kinds: [...WORKLOADS, 'ServiceAccount'],
  look: (estate) => {
    const accounts = new Map(
      objectsOf(estate, 'ServiceAccount').map((object) => [
        `${object.metadata.namespace}/${object.metadata.name}`,
        object,
      ]),
    )
    return workloadsOf(estate).map(({ namespace, object, ...workload }) => {
      const { automountServiceAccountToken, serviceAccountName = 'default' } = podOf(workload)
      const own =
        automountServiceAccountToken ??
        accounts.get(`${namespace}/${serviceAccountName}`)?.['automountServiceAccountToken']
      return looked(object, own === false ? undefined : 'it is given a token for the Kubernetes API')
    })
  },
}

export const POD_SECURITY: Basic = {
  id: 'pod-security',
  about: 'every namespace of applications enforces a Pod Security standard',
  why: 'What a pod may do must be held to by the cluster, else the checks above hold only today.',
  remedy: 'label the namespace pod-security.kubernetes.io/enforce: baseline, or restricted',
  cis: '5.2.1',
  kinds: ['Namespace', ...WORKLOADS],
  look: (estate) => {
    const used = new Set(workloadsOf(estate).map(({ namespace }) => namespace))
    return objectsOf(estate, 'Namespace')
      .filter(({ metadata }) => used.has(metadata.name))
      .map((namespace) => {
        const level = namespace.metadata.labels?.['pod-security.kubernetes.io/enforce']
        const held = level === 'baseline' || level === 'restricted'
        return looked(namespace, held ? undefined : level ? `it enforces "${level}" only` : 'it enforces none')
      })
  },
}

export const OWN_NAMESPACE: Basic = {
  id: 'not-in-default',
  about: 'no application is in the namespace "default"',
  why: 'Policies, quotas and rights are by namespace: what has none of its own cannot be told from others.',
  remedy: 'move it to a namespace of its team',
  cis: '5.7.4',
  kinds: WORKLOADS,
  look: ofWorkloads(({ namespace }) => (namespace === 'default' ? 'it is in the namespace "default"' : undefined)),
}

export const FIXED_IMAGES: Basic = {
  id: 'fixed-images',
  about: 'every image is named by a version or digest',
  why: 'To join the mesh pods are replaced: with "latest" they may come back as another program, and nobody knows what broke.',
  remedy: 'name a tag other than latest, or a digest',
  kinds: WORKLOADS,
  look: ofWorkloads((workload) => {
    const names = containersWhere(workload, ({ image = '' }) => {
      const [, tag] = /:([^/:@]+)(?:@.*)?$/.exec(image) ?? []
      return !image.includes('@sha256:') && (tag === undefined || tag === 'latest')
    })
    return names && `container ${names} has an image without version`
  }),
}

export const CLUSTER_ADMINS: Basic = {
  id: 'cluster-admins',
  about: 'nobody but system components is cluster-admin by a service account',
  why: 'Who is cluster-admin can read every key and change every policy of the mesh.',
  remedy: 'bind a role with the rights that are needed',
  cis: '5.1.1',
  kinds: ['ClusterRoleBinding'],
  look: (estate) =>
    objectsOf(estate, 'ClusterRoleBinding')
      .filter((binding) => (binding['roleRef'] as { name?: string } | undefined)?.name === 'cluster-admin')
      .map((binding) => {
        const subjects = (binding['subjects'] ?? []) as readonly { kind: string; name: string; namespace?: string }[]
        const accounts = subjects.filter(
          ({ kind, namespace }) => kind === 'ServiceAccount' && namespace !== 'kube-system',
        )
        const names = accounts.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')
        return looked(binding, names === '' ? undefined : `it makes ${names} cluster-admin`)
      }),
}
