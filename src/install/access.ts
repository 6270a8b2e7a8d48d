import { inNamespace, type ObjectTemplate, ofCluster } from './objects.ts'
import { GRANTS, type Permission } from './rbac.ts'
import { type Template, value, when } from './template.ts'

const RBAC = 'rbac.authorization.k8s.io'

/** The service account that runs as `name`. */
function serviceAccount(name: string): ObjectTemplate {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: inNamespace(name),
    imagePullSecrets: when('imagePullSecrets', value('imagePullSecrets')),
  }
}

/** Service accounts, and what they may do. */
export const ACCESS: readonly ObjectTemplate[] = [
  ...[...new Set(GRANTS.map(({ account }) => account))].map(serviceAccount),
  ...GRANTS.flatMap(({ account, scope, permissions }): ObjectTemplate[] => {
    const [role, metadata] = scope === 'cluster' ? ['ClusterRole', ofCluster] : ['Role', inNamespace]
    const subject = { kind: 'ServiceAccount', name: account, namespace: value('namespace') }
    return [
      { apiVersion: `${RBAC}/v1`, kind: role, metadata: metadata(account), rules: permissions.map(rule) },
      {
        apiVersion: `${RBAC}/v1`,
        kind: `${role}Binding`,
        metadata: metadata(account),
        roleRef: { apiGroup: RBAC, kind: role, name: account },
        subjects: [subject],
      },
    ]
  }),
]

function rule({ group, resources, verbs, names }: Permission): Template {
  return { apiGroups: [group], resources, verbs, ...(names ? { resourceNames: names } : {}) }
}
