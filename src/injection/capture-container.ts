import {
  type CaptureOptions,
  CLIENTS_ROUTE,
  CLIENTS_RULE,
  PROXYS_ADDRESS,
  redirectRules,
} from '../agent/capture/rules.ts'
import { CAPTURE_CONTAINER } from '../resources/cluster-names.ts'
import type { Container, InjectionSettings } from './settings.ts'

const restore = (rules: string, program: string) => `printf %s "$${rules}" | ${program}-restore --noflush --wait`
// The container may be started again in the same network.
const leadBack = (family: '-4' | '-6') => {
  const [rule, route] = [CLIENTS_RULE.join(' '), CLIENTS_ROUTE.join(' ')]
  return `ip ${family} route replace ${route} && { ip ${family} rule del ${rule}; ip ${family} rule add ${rule}; }`
}

/** The same as `capture` of the agent does from outside: of IPv6, where the pod has such addresses. */
function script({ transparent = false, dns = false }: CaptureOptions): string {
  const ipv4 = (rules: string) => [...(transparent ? [leadBack('-4')] : []), restore(rules, 'iptables')]
  const ipv6 = [
    `ip -6 addr replace ${PROXYS_ADDRESS.join(' ')}`,
    ...(transparent ? [leadBack('-6')] : []),
    restore('RULES_IPV6', 'ip6tables'),
  ]
  const both = [...ipv6, ...ipv4(dns ? 'RULES_BESIDE_IPV6' : 'RULES')]
  return `if [ -n "$(ip -6 addr show scope global)" ]; then ${both.join(' && ')}; else ${ipv4('RULES').join(' && ')}; fi`
}

function variables(capture: CaptureOptions): NonNullable<Container['env']> {
  const rules = {
    RULES: redirectRules(capture, ''),
    ...(capture.dns ? { RULES_BESIDE_IPV6: redirectRules({ ...capture, ipv6: true }, '') } : {}),
    RULES_IPV6: redirectRules({ ...capture, ipv6: true }, '', 'IPv6'),
  }
  return Object.entries(rules).map(([name, text]) => ({ name, value: text.replaceAll('$', '$$$$') }))
}

/** Redirects the pod's connections where no agent may enter its network: needs to be root, with NET_ADMIN and NET_RAW. */
export function captureContainer(capture: CaptureOptions, settings: InjectionSettings): Container {
  return {
    name: CAPTURE_CONTAINER,
    image: settings.captureImage,
    ...(settings.imagePullPolicy ? { imagePullPolicy: settings.imagePullPolicy } : {}),
    command: ['sh', '-c', script(capture)],
    env: variables(capture),
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
