import {
  AGENT_NAME,
  IDENTITY_FOLDER,
  PORTS,
  ROOT_CERT_CONFIG_MAP,
  ROOT_CERT_KEY,
  SERVER_NAME,
  TOKEN_AUDIENCE,
} from '../resources/cluster-names.ts'
import { fieldVariable, inNamespace, type ObjectTemplate, podLabels, selectorLabels } from './objects.ts'
import { type Template, text, value, when } from './template.ts'

const ENTERS_PODS = { path: 'capture', is: 'agent' }

/** There once the agent has joined. */
const JOINED_FILE = '/tmp/joined'

const container: Template = {
  name: 'agent',
  image: value('image'),
  imagePullPolicy: value('imagePullPolicy'),
  args: ['agent'],
  env: [
    fieldVariable('NODE_NAME', 'spec.nodeName'),
    fieldVariable('HOST_IP', 'status.hostIP'),
    fieldVariable('POD_NAMESPACE', 'metadata.namespace'),
    { name: 'WEFT_SERVER', value: text`${SERVER_NAME}.${value('namespace')}.svc:${PORTS.serverAgents}` },
    { name: 'WEFT_TRUST_DOMAIN', value: value('trustDomain') },
    when('trustDomainAliases', { name: 'WEFT_TRUST_DOMAIN_ALIASES', value: value('trustDomainAliases') }),
    when('fips', { name: 'WEFT_FIPS', value: 'true' }),
    // The root of the image can't be written to.
    { name: 'XTABLES_LOCKFILE', value: '/tmp/xtables.lock' },
    { name: 'WEFT_JOINED_FILE', value: JOINED_FILE },
  ],
  // No port is declared: that would keep the next agent from a node as long as one is there. It starts, and listens as soon as the other has let go of the port; until
  // then the other answers for both. So that it has joined, without which it could not serve, is told by a file. It waits for the server however long that takes.
  startupProbe: {
    exec: { command: ['test', '-e', JOINED_FILE] },
    periodSeconds: 1,
    timeoutSeconds: 5,
    failureThreshold: 3600,
  },
  readinessProbe: { tcpSocket: { port: PORTS.agentProxies }, periodSeconds: 2 },
  livenessProbe: {
    tcpSocket: { port: PORTS.agentProxies },
    periodSeconds: 20,
    timeoutSeconds: 5,
    failureThreshold: 6,
  },
  resources: value('agent.resources'),
  securityContext: {
    // To enter the network namespace of a pod (SYS_ADMIN), found by the processes in it (SYS_PTRACE), and to set redirection up there (NET_ADMIN).
    runAsUser: 0,
    runAsGroup: 0,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: when(ENTERS_PODS, ['NET_ADMIN', 'SYS_ADMIN', 'SYS_PTRACE']) },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  volumeMounts: [
    { name: 'weft-identity', mountPath: IDENTITY_FOLDER, readOnly: true },
    { name: 'tmp', mountPath: '/tmp' },
  ],
}

/** One on every node. */
const daemonSet: ObjectTemplate = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: inNamespace(AGENT_NAME),
  spec: {
    selector: { matchLabels: selectorLabels(AGENT_NAME) },
    // Proxies keep what they have while their agent is replaced; but what ends meanwhile they would not be told of. So the next one has joined first.
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '10%', maxUnavailable: 0 } },
    template: {
      metadata: { labels: podLabels(AGENT_NAME) },
      spec: {
        serviceAccountName: AGENT_NAME,
        // Pods reach it at the address of their node, and only there.
        hostNetwork: true,
        dnsPolicy: 'ClusterFirstWithHostNet',
        // It finds a pod's network namespace by the pod's processes.
        hostPID: when(ENTERS_PODS, true),
        priorityClassName: when('agent.priorityClassName', value('agent.priorityClassName')),
        nodeSelector: when('agent.nodeSelector', value('agent.nodeSelector')),
        tolerations: when('agent.tolerations', value('agent.tolerations')),
        containers: [container],
        volumes: [
          {
            name: 'weft-identity',
            projected: {
              sources: [
                { serviceAccountToken: { path: 'token', audience: TOKEN_AUDIENCE, expirationSeconds: 3600 } },
                { configMap: { name: ROOT_CERT_CONFIG_MAP, items: [{ key: ROOT_CERT_KEY, path: ROOT_CERT_KEY }] } },
              ],
            },
          },
          { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
        ],
      },
    },
  },
}

export const AGENT: readonly Template[] = [daemonSet]
