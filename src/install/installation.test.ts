import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { DASHBOARDS } from './dashboards/dashboards.ts'
import { definitions } from './definitions.ts'
import { type InstalledObject, installation } from './installation.ts'
import { GRANTS } from './rbac.ts'
import { parseSet, settingValues } from './settings.ts'

const NAMESPACE = 'weft-system'
const objects = (profile: 'minimal' | 'default' | 'production', ...set: readonly string[]) =>
  installation(settingValues({ profile, namespace: NAMESPACE, set: parseSet(set, parse) }))

function kinds(list: readonly InstalledObject[]): string[] {
  return list.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
}

function find(list: readonly InstalledObject[], kind: string, name: string): InstalledObject {
  const found = list.find((object) => object.kind === kind && object.metadata.name === name)
  if (!found) throw new Error(`no ${kind} ${name}`)
  return found
}

interface PodTemplate {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly securityContext: unknown
          readonly env?: readonly { readonly name: string; readonly value?: string }[]
        }[]
        readonly securityContext?: unknown
        readonly hostNetwork?: boolean
        readonly topologySpreadConstraints?: unknown
      }
    }
    readonly replicas?: number
  }
}

describe('profiles', () => {
  test('minimal: what there has to be', () => {
    expect(kinds(objects('minimal'))).toEqual([
      'Namespace weft-system',
      'ServiceAccount weft-server',
      'ServiceAccount weft-agent',
      'ClusterRole weft-server',
      'ClusterRoleBinding weft-server',
      'Role weft-server',
      'RoleBinding weft-server',
      'ClusterRole weft-agent',
      'ClusterRoleBinding weft-agent',
      'Service weft-server',
      'Deployment weft-server',
      'DaemonSet weft-agent',
      'GatewayClass weft',
      'MutatingWebhookConfiguration weft-injector',
    ])
  })

  test('default adds validation; production what keeps it up', () => {
    const added = (more: readonly string[], less: readonly string[]) => more.filter((name) => !less.includes(name))
    const [minimal, normal, production] = (['minimal', 'default', 'production'] as const).map((one) =>
      kinds(objects(one)),
    )
    expect(added(normal ?? [], minimal ?? [])).toEqual(['ValidatingWebhookConfiguration weft-validator'])
    expect(added(production ?? [], normal ?? [])).toEqual([
      'StatefulSet weft-server',
      'PodDisruptionBudget weft-server',
      'HorizontalPodAutoscaler weft-server',
      'NetworkPolicy weft-server',
    ])
    const { spec } = find(objects('production'), 'StatefulSet', 'weft-server') as unknown as PodTemplate
    expect(spec.replicas).toBeUndefined()
    expect(spec.template.spec.topologySpreadConstraints).toBeDefined()
  })

  test('what is set comes after the profile', () => {
    const { spec } = find(
      objects('production', 'server.autoscaling=false', 'server.replicas=3', 'server.storageSize='),
      'Deployment',
      'weft-server',
    ) as unknown as PodTemplate
    expect(spec.replicas).toBe(3)
  })
})

test('approved cryptography is asked of servers and agents, where it is', () => {
  const asked = (...set: readonly string[]) =>
    (['StatefulSet weft-server', 'DaemonSet weft-agent'] as const).map((one) => {
      const [kind = '', name = ''] = one.split(' ')
      const { spec } = find(objects('production', ...set), kind, name) as unknown as PodTemplate
      return spec.template.spec.containers[0]?.env?.find((variable) => variable.name === 'WEFT_FIPS')?.value
    })
  expect(asked('fips=true')).toEqual(['true', 'true'])
  // Not 'false': it would count as well.
  expect(asked()).toEqual([undefined, undefined])
})

describe('where a server keeps what it has seen', () => {
  const FOLDER = '/var/lib/weft/telemetry'
  interface Server extends PodTemplate {
    readonly kind: string
    readonly spec: PodTemplate['spec'] & {
      readonly volumeClaimTemplates?: readonly unknown[]
      readonly strategy?: unknown
      readonly updateStrategy?: unknown
    }
  }
  const servers = (...set: readonly string[]) => {
    const all = objects('default', 'server.autoscaling=true', ...set)
    const server = all.find(
      ({ kind, metadata }) => ['Deployment', 'StatefulSet'].includes(kind) && metadata.name === 'weft-server',
    ) as unknown as Server
    const [container] = server.spec.template.spec.containers
    const { volumeMounts, env } = container as unknown as {
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
      readonly env: readonly { readonly name: string; readonly value?: string }[]
    }
    const { volumes } = server.spec.template.spec as unknown as { readonly volumes: readonly { name: string }[] }
    return {
      server,
      mounted: volumeMounts.find(({ mountPath }) => mountPath === FOLDER)?.name,
      volumes: volumes.map(({ name }) => name),
      stays: env.find(({ name }) => name === 'WEFT_TELEMETRY_STAYS')?.value,
      scaled: (find(all, 'HorizontalPodAutoscaler', 'weft-server')['spec'] as { scaleTargetRef: { kind: string } })
        .scaleTargetRef.kind,
    }
  }

  test('in its pod, where nothing is said', () => {
    const { server, ...rest } = servers()
    expect(rest).toEqual({
      mounted: 'telemetry',
      volumes: ['tmp', 'telemetry'],
      stays: 'pod',
      scaled: 'Deployment',
    })
    expect(server.spec.volumeClaimTemplates).toBeUndefined()
    expect(server.spec.updateStrategy).toBeUndefined()
  })

  test('on a volume of its own that stays, where one is asked for', () => {
    const { server, ...rest } = servers('server.storageSize=5Gi', 'server.storageClassName=fast')
    expect(rest).toEqual({ mounted: 'telemetry', volumes: ['tmp'], stays: 'volume', scaled: 'StatefulSet' })
    expect(server.spec).toMatchObject({
      serviceName: 'weft-server',
      podManagementPolicy: 'Parallel',
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      volumeClaimTemplates: [
        {
          metadata: { name: 'telemetry' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            storageClassName: 'fast',
            resources: { requests: { storage: '5Gi' } },
          },
        },
      ],
    })
    expect(server.spec.strategy).toBeUndefined()
    // The folder belongs to root until it is made over to the server.
    expect(server.spec.template.spec.securityContext).toMatchObject({ fsGroup: 65_532 })
  })
})

describe('monitoring', () => {
  const KINDS = ['ConfigMap', 'PodMonitor', 'PrometheusRule']
  const monitoring = (...set: readonly string[]) =>
    objects('production', ...set).filter(({ kind }) => KINDS.includes(kind))

  test('is nothing where nobody asks for it', () => {
    expect(monitoring('monitoring.release=prom')).toEqual([])
  })

  test('is the dashboards of deploy/grafana, labelled for the sidecar of its chart', () => {
    const found = monitoring('monitoring.grafanaDashboards=true')
    expect(kinds(found)).toEqual(DASHBOARDS.map(({ name }) => `ConfigMap ${name}-dashboard`))
    for (const [i, { metadata, ...object }] of found.entries()) {
      const file = `${DASHBOARDS[i]?.name}.json`
      expect(metadata).toMatchObject({ namespace: NAMESPACE, labels: { grafana_dashboard: '1' } })
      const published = readFileSync(new URL(`../../deploy/grafana/${file}`, import.meta.url), 'utf8')
      expect(object['data']).toEqual({ [file]: published })
    }
  })

  test('is what deploy/prometheus has for the operator, with the release that a Prometheus looks for', () => {
    const found = monitoring('monitoring.prometheusOperator=true', 'monitoring.release=prom')
    expect(kinds(found)).toEqual(['PodMonitor weft-proxies', 'PodMonitor weft-server', 'PrometheusRule weft'])
    const published = readFileSync(new URL('../../deploy/prometheus/operator.yaml', import.meta.url), 'utf8')
    expect(found.map(({ spec }) => spec)).toEqual(parseAllDocuments(published).map((one) => one.toJS().spec))
    for (const { metadata } of found)
      expect(metadata).toMatchObject({ namespace: NAMESPACE, labels: { release: 'prom' } })
    const [without] = monitoring('monitoring.prometheusOperator=true')
    expect(without?.metadata.labels).not.toHaveProperty('release')
  })
})

describe('privileges', () => {
  test('the server has none', () => {
    const { spec } = find(objects('default'), 'Deployment', 'weft-server') as unknown as PodTemplate
    expect(spec.template.spec.hostNetwork).toBeUndefined()
    expect(spec.template.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(spec.template.spec.containers.map(({ securityContext }) => securityContext)).toEqual([
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    ])
  })

  test('the agent has three capabilities', () => {
    const { spec } = find(objects('default'), 'DaemonSet', 'weft-agent') as unknown as PodTemplate
    expect(spec.template.spec.containers.map(({ securityContext }) => securityContext)).toMatchObject([
      {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'SYS_ADMIN', 'SYS_PTRACE'] },
      },
    ])
  })

  test('the agent has none where init containers redirect', () => {
    const { spec } = find(
      objects('default', 'capture=init-container'),
      'DaemonSet',
      'weft-agent',
    ) as unknown as PodTemplate
    expect(spec.template.spec.containers[0]?.securityContext).toMatchObject({ capabilities: { drop: ['ALL'] } })
    expect(JSON.stringify(spec)).not.toMatch(/NET_ADMIN|SYS_ADMIN|hostPID/)
  })

  test('every rule names what it is about, and why', () => {
    for (const { permissions } of GRANTS)
      for (const { resources, verbs, reason } of permissions) {
        expect([...resources, ...verbs]).not.toContain('*')
        expect(resources).not.toEqual([])
        expect(reason).not.toBe('')
      }
  })

  test('secrets are written only where Weft lives, and only its own', () => {
    const writing = GRANTS.flatMap(({ scope, permissions }) =>
      permissions
        .filter(({ resources, verbs }) => resources.includes('secrets') && verbs.includes('create'))
        .map(({ names }) => ({ scope, names })),
    )
    expect(writing).toEqual([{ scope: 'own namespace', names: ['weft-ca'] }])
  })
})

test('a revision that is not the default leaves labels without a revision to others', () => {
  const webhooks = (...set: readonly string[]) =>
    (
      find(objects('default', ...set), 'MutatingWebhookConfiguration', 'weft-injector')['webhooks'] as {
        name: string
      }[]
    ).map(({ name }) => name.split('.injector')[0])
  expect(webhooks()).toEqual(['revision.namespace', 'revision.pod', 'namespace', 'istio.namespace', 'pod', 'istio.pod'])
  expect(webhooks('revision=canary')).toEqual(['revision.namespace', 'revision.pod'])
})

describe('settings that are wrong', () => {
  const refused = (set: string, namespace = NAMESPACE) => {
    try {
      settingValues({ namespace, set: parseSet([set], parse) })
    } catch (error) {
      return (error as Error).message
    }
    return 'taken'
  }
  test.each([
    ['server.replicas=0', 'server.replicas is 0; it has to be 1 or more'],
    ['server.replicas=many', 'server.replicas is "many"; it has to be a whole number'],
    ['server.replica=1', 'there is no setting "server.replica"; write server.replicas if that was meant'],
    ['validation', '"validation" sets nothing; write PATH=VALUE, as in server.replicas=2'],
    ['server.storageSize=much', 'server.storageSize is "much"; it has to be a size, as in 2Gi, or nothing'],
    ['imagePullPolicy=Sometimes', 'imagePullPolicy is "Sometimes"; it has to be one of Always, IfNotPresent, Never'],
    ['server.nodeSelector=[a]', 'server.nodeSelector is ["a"]; it has to be a mapping, as in {disk: ssd}'],
    ['revision=Canary', 'revision "Canary" is no name; use a-z, 0-9 and -'],
    ['server.minReplicas=9', 'server.minReplicas is more than server.maxReplicas; make it at most that'],
  ])('%s', (set, message) => {
    expect(refused(set)).toBe(message)
  })

  test('a namespace that can be none', () => {
    expect(refused('server.replicas=1', 'Weft')).toBe('"Weft" is no name of a namespace; use a-z, 0-9 and -')
  })
})

test('kubectl apply can take every definition: what it applied fits into an annotation', async () => {
  const all = await definitions(settingValues({ namespace: NAMESPACE }))
  expect(all.length).toBe(32)
  for (const definition of all)
    expect(JSON.stringify(definition).length, definition.metadata.name).toBeLessThan(262_144)
})
