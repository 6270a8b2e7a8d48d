import { closest } from './did-you-mean.ts'
import { apiVersionOf, groupVersion, KINDS, kindInGroup } from './kinds.ts'

/** What to say of an object that is of none of our kinds. */
export interface ForeignKind {
  readonly rule: 'kind-not-used' | 'unknown-kind' | 'unsupported-version'
  readonly severity: 'error' | 'warning' | 'info'
  readonly problem: string
  readonly remedy: string
}

/** Kinds of Kubernetes' own old groups that are no business of a mesh. */
const NOT_OURS = new Set(
  (
    'Binding ComponentStatus Endpoints Event LimitRange PersistentVolume PersistentVolumeClaim PodTemplate ' +
    'ReplicationController ResourceQuota ControllerRevision ReplicaSet'
  ).split(' '),
)

/** Kinds that people may expect us to act upon, and what to do instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  'apps/StatefulSet': 'its pods are read where a cluster runs them; on one machine use a Deployment',
  'apps/DaemonSet': 'its pods are read where a cluster runs them; on one machine use a Deployment',
  'batch/Job': 'its pods are read where a cluster runs them',
  'batch/CronJob': 'its pods are read where a cluster runs them',
  'networking.k8s.io/Ingress': 'write a Gateway and an HTTPRoute (gateway.networking.k8s.io/v1) instead',
  'networking.k8s.io/IngressClass': 'write a GatewayClass (gateway.networking.k8s.io/v1) instead',
  'install.istio.io/IstioOperator': 'set these options in the configuration of Weft',
  'policy/PodSecurityPolicy': 'leave it out: Kubernetes dropped this kind',
  'rbac.istio.io/ClusterRbacConfig':
    'write an AuthorizationPolicy (security.istio.io/v1) instead: Istio dropped this kind',
  'rbac.istio.io/ServiceRole': 'write an AuthorizationPolicy (security.istio.io/v1) instead: Istio dropped this kind',
  'rbac.istio.io/ServiceRoleBinding':
    'write an AuthorizationPolicy (security.istio.io/v1) instead: Istio dropped this kind',
  'authentication.istio.io/Policy':
    'write a PeerAuthentication and a RequestAuthentication instead: Istio dropped this kind',
  'authentication.istio.io/MeshPolicy':
    'write a PeerAuthentication in the root namespace instead: Istio dropped this kind',
}

const OUR_GROUPS = [...new Set(Object.values(KINDS).map((kind) => kind.group))]
const OUR_KINDS = [...new Set(Object.values(KINDS).map((kind) => kind.kind))]

/**
 * What an object is whose `apiVersion` and `kind` are none of ours: one of ours in a version that we do not take, one of
 * ours misspelled, or something that is no business of a mesh. Of groups that we have never heard of we assume the latter.
 */
export function foreignKind(apiVersion: string, kind: string): ForeignKind {
  const { group } = groupVersion(apiVersion)
  const ours = kindInGroup(group, kind)
  if (ours) {
    const versions = ours.versions.map((version) => (group === '' ? version : `${group}/${version}`))
    return {
      rule: 'unsupported-version',
      severity: 'error',
      problem: `${kind} has no version "${apiVersion}" here`,
      remedy: `write apiVersion: ${versions.join(' or ')}`,
    }
  }
  const instead = INSTEAD[`${group}/${kind}`]
  if (instead) return notUsed(kind, apiVersion, 'warning', instead)
  const sameName = Object.values(KINDS).filter((one) => one.kind === kind)
  if (OUR_GROUPS.includes(group) && !(NOT_OURS.has(kind) && (group === '' || group === 'apps'))) {
    const inGroup = Object.values(KINDS).filter((one) => one.group === group)
    const near =
      closest(
        kind,
        inGroup.map((one) => one.kind),
      ) ?? (sameName.length > 0 ? undefined : closest(kind, OUR_KINDS))
    return unknown(kind, apiVersion, near, sameName.map(apiVersionOf))
  }
  const nearGroup = OUR_GROUPS.includes(group) ? undefined : closest(group, OUR_GROUPS)
  const istio = /(^|\.)istio(\.io)?$/.test(group)
  if (nearGroup || istio) return unknown(kind, apiVersion, closest(kind, OUR_KINDS), sameName.map(apiVersionOf))
  return notUsed(kind, apiVersion, 'info', 'nothing needs to be done')
}

function notUsed(kind: string, apiVersion: string, severity: 'warning' | 'info', remedy: string): ForeignKind {
  return {
    rule: 'kind-not-used',
    severity,
    problem: `${kind} (${apiVersion}) is not a kind that Weft acts upon`,
    remedy,
  }
}

function unknown(kind: string, apiVersion: string, near: string | undefined, versions: readonly string[]): ForeignKind {
  const remedy =
    versions.length > 0
      ? `write apiVersion: ${versions.join(' or ')}`
      : near !== undefined
        ? `did you mean "${near}"?`
        : 'check kind and apiVersion'
  return { rule: 'unknown-kind', severity: 'error', problem: `there is no kind ${kind} in ${apiVersion}`, remedy }
}
