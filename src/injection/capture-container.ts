import { type CaptureOptions, CLIENTS_ROUTE, CLIENTS_RULE, redirectRules } from '../agent/capture/rules.ts'
import { CAPTURE_CONTAINER } from '../resources/cluster-names.ts'
import type { Container, InjectionSettings } from './settings.ts'

const REDIRECTION = 'printf %s "$RULES" | iptables-restore --noflush --wait'
// The container may be started again in the same network.
const RULE = CLIENTS_RULE.join(' ')
const ROUTING = [`ip route replace ${CLIENTS_ROUTE.join(' ')}`, `{ ip rule del ${RULE}; ip rule add ${RULE}; }`]

/** Redirects the pod's connections where no agent may enter its network: needs to be root, with NET_ADMIN and NET_RAW. */
export function captureContainer(capture: CaptureOptions, settings: InjectionSettings): Container {
  return {
    name: CAPTURE_CONTAINER,
    image: settings.captureImage,
    ...(settings.imagePullPolicy ? { imagePullPolicy: settings.imagePullPolicy } : {}),
    command: ['sh', '-c', [...(capture.transparent ? ROUTING : []), REDIRECTION].join(' && ')],
    env: [{ name: 'RULES', value: redirectRules(capture, '').replaceAll('$', '$$$$') }],
    resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      // For the lock of iptables.
      readOnlyRootFilesystem: false,
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  }
}
