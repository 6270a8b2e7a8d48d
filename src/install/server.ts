import { PORTS, SERVER_NAME } from '../resources/cluster-names.ts'
import {
  fieldVariable,
  inNamespace,
  type ObjectTemplate,
  podLabels,
  RESTRICTED_CONTAINER,
  selectorLabels,
} from './objects.ts'
import { either, type Template, value, when } from './template.ts'

/** The user that the image runs as, which is no one. */
const UID = 65_532

const TELEMETRY_FOLDER = '/var/lib/weft/telemetry'

const AUTOSCALED = 'server.autoscaling'

/** Where it is set, each server has a volume that stays when its pod goes. */
const KEPT = 'server.storageSize'
const KIND: Template = either(KEPT, 'StatefulSet', 'Deployment')

const service: ObjectTemplate = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: inNamespace(SERVER_NAME),
  spec: {
    selector: selectorLabels(SERVER_NAME),
    ports: [
      { name: 'grpc-agents', port: PORTS.serverAgents, targetPort: PORTS.serverAgents, protocol: 'TCP' },
      // The port that the API server calls webhooks at where their configuration names none.
      { name: 'https-webhooks', port: 443, targetPort: PORTS.serverWebhooks, protocol: 'TCP' },
      { name: 'http-health', port: PORTS.serverHealth, targetPort: PORTS.serverHealth, protocol: 'TCP' },
      { name: 'grpc-otlp', port: PORTS.serverOtlpGrpc, targetPort: PORTS.serverOtlpGrpc, protocol: 'TCP' },
      { name: 'http-otlp', port: PORTS.serverOtlpHttp, targetPort: PORTS.serverOtlpHttp, protocol: 'TCP' },
    ],
  },
}

const container: Template = {
  name: 'server',
  image: value('image'),
  imagePullPolicy: value('imagePullPolicy'),
  args: ['server'],
  env: [
    fieldVariable('POD_NAME', 'metadata.name'),
    fieldVariable('POD_NAMESPACE', 'metadata.namespace'),
    { name: 'WEFT_REVISION', value: value('revision') },
    { name: 'WEFT_TRUST_DOMAIN', value: value('trustDomain') },
    when('trustDomainAliases', { name: 'WEFT_TRUST_DOMAIN_ALIASES', value: value('trustDomainAliases') }),
    when('fips', { name: 'WEFT_FIPS', value: 'true' }),
    { name: 'WEFT_SELF_MADE_ROOT', value: value('selfMadeRoot') },
    { name: 'WEFT_PROXY_IMAGE', value: value('proxyImage') },
    { name: 'WEFT_CAPTURE', value: value('capture') },
    { name: 'WEFT_CAPTURE_IMAGE', value: value('image') },
    { name: 'WEFT_TELEMETRY_FOLDER', value: TELEMETRY_FOLDER },
    { name: 'WEFT_TELEMETRY_STAYS', value: either(KEPT, 'volume', 'pod') },
    when('telemetryExport.url', { name: 'WEFT_OTLP_EXPORT', value: value('telemetryExport.url') }),
    when('telemetryExport.headersSecret', {
      name: 'OTEL_EXPORTER_OTLP_HEADERS',
      valueFrom: { secretKeyRef: { name: value('telemetryExport.headersSecret'), key: 'headers' } },
    }),
  ],
  ports: [
    { name: 'grpc-agents', containerPort: PORTS.serverAgents, protocol: 'TCP' },
    { name: 'https-webhooks', containerPort: PORTS.serverWebhooks, protocol: 'TCP' },
    { name: 'http-health', containerPort: PORTS.serverHealth, protocol: 'TCP' },
    { name: 'grpc-otlp', containerPort: PORTS.serverOtlpGrpc, protocol: 'TCP' },
    { name: 'http-otlp', containerPort: PORTS.serverOtlpHttp, protocol: 'TCP' },
  ],
  // Reading a large cluster takes its time; until then it lives, but isn't ready.
  readinessProbe: { httpGet: { path: '/ready', port: 'http-health' }, periodSeconds: 2, failureThreshold: 3 },
  // Five minutes to start: on a node that has no time for it now, to be killed is to begin again.
  startupProbe: {
    httpGet: { path: '/live', port: 'http-health' },
    periodSeconds: 1,
    timeoutSeconds: 5,
    failureThreshold: 300,
  },
  livenessProbe: {
    httpGet: { path: '/live', port: 'http-health' },
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 6,
  },
  resources: value('server.resources'),
  securityContext: RESTRICTED_CONTAINER,
  volumeMounts: [
    { name: 'tmp', mountPath: '/tmp' },
    { name: 'telemetry', mountPath: TELEMETRY_FOLDER },
  ],
}

/**
 * Evenly over places. Anti-affinity would have no place for a new server while the old ones are on all nodes: here only those of one version
 * count (`matchLabelKeys`), and only nodes that would take them.
 */
function spread(topologyKey: string, whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): Template {
  return {
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable,
    nodeTaintsPolicy: 'Honor',
    labelSelector: { matchLabels: selectorLabels(SERVER_NAME) },
    matchLabelKeys: [either(KEPT, 'controller-revision-hash', 'pod-template-hash')],
  }
}

/** Each server knows what the proxies of its nodes told it, and answers for all with the others: so each has a volume of its own. */
const claim: Template = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'telemetry', labels: selectorLabels(SERVER_NAME) },
  spec: {
    accessModes: ['ReadWriteOnce'],
    storageClassName: when('server.storageClassName', value('server.storageClassName')),
    resources: { requests: { storage: value(KEPT) } },
  },
}

const servers: ObjectTemplate = {
  apiVersion: 'apps/v1',
  kind: KIND,
  metadata: inNamespace(SERVER_NAME),
  spec: {
    replicas: when({ not: AUTOSCALED }, value('server.replicas')),
    selector: { matchLabels: selectorLabels(SERVER_NAME) },
    // A new one serves before an old one goes; where it needs the volume of the old one, the others serve meanwhile.
    strategy: when({ not: KEPT }, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }),
    updateStrategy: when(KEPT, { type: 'RollingUpdate' }),
    serviceName: when(KEPT, SERVER_NAME),
    // None waits for another.
    podManagementPolicy: when(KEPT, 'Parallel'),
    // What was seen is evidence. It goes with the namespace.
    persistentVolumeClaimRetentionPolicy: when(KEPT, { whenDeleted: 'Retain', whenScaled: 'Retain' }),
    template: {
      metadata: { labels: podLabels(SERVER_NAME) },
      spec: {
        serviceAccountName: SERVER_NAME,
        // To serve until another is ready, and to give its evidence away.
        terminationGracePeriodSeconds: 60,
        priorityClassName: when('server.priorityClassName', value('server.priorityClassName')),
        nodeSelector: when('server.nodeSelector', value('server.nodeSelector')),
        tolerations: when('server.tolerations', value('server.tolerations')),
        topologySpreadConstraints: when('server.spread', [
          spread('kubernetes.io/hostname', 'DoNotSchedule'),
          spread('topology.kubernetes.io/zone', 'ScheduleAnyway'),
        ]),
        securityContext: {
          runAsNonRoot: true,
          runAsUser: UID,
          runAsGroup: UID,
          fsGroup: UID,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [container],
        volumes: [
          { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
          // Stays when the server is started again, and goes with its pod.
          when({ not: KEPT }, { name: 'telemetry', emptyDir: { sizeLimit: '1Gi' } }),
        ],
      },
    },
    volumeClaimTemplates: when(KEPT, [claim]),
  },
}

const disruptionBudget: ObjectTemplate = {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: inNamespace(SERVER_NAME),
  spec: { maxUnavailable: 1, selector: { matchLabels: selectorLabels(SERVER_NAME) } },
}

const autoscaler: ObjectTemplate = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: inNamespace(SERVER_NAME),
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: KIND, name: SERVER_NAME },
    minReplicas: value('server.minReplicas'),
    maxReplicas: value('server.maxReplicas'),
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
  },
}

/**
 * Agents and the API server call from the addresses of nodes, which no selector knows: so from anywhere, but to these ports only. It also
 * stands where a policy of the namespace denies everything.
 */
const networkPolicy: ObjectTemplate = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: inNamespace(SERVER_NAME),
  spec: {
    podSelector: { matchLabels: selectorLabels(SERVER_NAME) },
    policyTypes: ['Ingress'],
    ingress: [
      {
        ports: [PORTS.serverAgents, PORTS.serverWebhooks, PORTS.serverHealth].map((port) => ({
          port,
          protocol: 'TCP',
        })),
      },
      {
        // Applications of the cluster, and nobody else.
        from: [{ namespaceSelector: {} }],
        ports: [PORTS.serverOtlpGrpc, PORTS.serverOtlpHttp].map((port) => ({ port, protocol: 'TCP' })),
      },
    ],
  },
}

/** The control plane. */
export const SERVER: readonly Template[] = [
  service,
  servers,
  when('server.disruptionBudget', disruptionBudget),
  when(AUTOSCALED, autoscaler),
  when('networkPolicy', networkPolicy),
]
