import { servicePortProtocol } from '../../mesh/protocol.ts'
import { PROXY_PORTS } from '../../resources/cluster-names.ts'
import { type EstatePort, nameOf, serviceFields, servicesOf } from '../estate/estate.ts'
import { knownProduct } from '../inventory/products.ts'
import { type Found, podOf, type Requirement, runningContainers } from './requirement.ts'

/** What a proxy listens on in its pod. */
const TAKEN: ReadonlyMap<number, string> = new Map([
  [PROXY_PORTS.admin, 'its administration'],
  [15001, 'outbound traffic'],
  [15006, 'inbound traffic'],
  [PROXY_PORTS.applicationProbes, 'probes of the application'],
  [PROXY_PORTS.readiness, 'its own probe'],
  [15053, 'questions for names'],
  [PROXY_PORTS.metrics, 'requests for metrics'],
])

export const IN_A_SERVICE: Requirement = {
  id: 'in-a-service',
  about: 'Services',
  holds: 'a pod belongs to a Service, even if it serves nothing (Istio: "Service association")',
  look: (workload, estate) =>
    servicesOf(estate, workload).length > 0 || workload.kind === 'Job' || workload.kind === 'CronJob'
      ? []
      : [
          {
            severity: 'warning',
            problem: 'no Service selects its pods, so that nobody can call it by a name, and telemetry cannot name it',
            remedy: 'add a Service that selects its pods, also where it only calls others',
          },
        ],
}

export const NAMED_PORTS: Requirement = {
  id: 'named-ports',
  about: 'names of ports',
  holds: 'ports of Services are named by their protocol, or have an appProtocol (Istio: "Protocol Selection")',
  look: (workload, estate) =>
    servicesOf(estate, workload).flatMap((service) =>
      (serviceFields(service).ports ?? [])
        .filter((port) => servicePortProtocol(port) === 'auto')
        .map(
          (port): Found => ({
            severity: 'warning',
            problem: `port ${port.port}${port.name ? ` ("${port.name}")` : ''} of ${nameOf(service)} does not say what it speaks: that is guessed from the first bytes`,
            remedy: 'name it http-..., grpc-... or tcp-..., or set appProtocol',
          }),
        ),
    ),
}

export const ONE_PROTOCOL: Requirement = {
  id: 'one-protocol',
  about: 'protocols of ports',
  holds: 'where several Services lead to one port of a pod, they say the same protocol (Istio: "Service association")',
  look: (workload, estate) => {
    const byTarget = new Map<string, { readonly protocol: string; readonly text: string }>()
    return servicesOf(estate, workload).flatMap((service) =>
      (serviceFields(service).ports ?? []).flatMap((port): Found[] => {
        const target = String(port.targetPort ?? port.port)
        const protocol = servicePortProtocol(port)
        const text = `${nameOf(service)} says ${protocol === 'auto' ? 'nothing' : protocol}`
        const before = byTarget.get(target)
        if (!before) byTarget.set(target, { protocol, text })
        if (!before || before.protocol === protocol) return []
        return [
          {
            severity: 'error',
            problem: `of port ${target} of the pod ${before.text}, and ${text}: a proxy can take it for one of them only`,
            remedy: 'give both the same protocol, or let them lead to different ports',
          },
        ]
      }),
    )
  },
}

export const FREE_PORTS: Requirement = {
  id: 'free-ports',
  about: 'ports of the proxy',
  holds: 'no container listens on a port that the proxy needs (Istio: "Ports used by Istio")',
  look: (workload) =>
    runningContainers(podOf(workload)).flatMap(({ name, ports = [] }) =>
      ports.flatMap(({ containerPort }): Found[] => {
        const use = TAKEN.get(containerPort)
        if (use === undefined) return []
        return [
          {
            severity: 'error',
            problem: `container "${name}" listens on ${containerPort}, where the proxy takes ${use}`,
            remedy: 'let it listen on another port',
          },
        ]
      }),
    ),
}

export const REACHED_PORTS: Requirement = {
  id: 'reached-ports',
  about: 'target ports',
  holds: 'target ports of Services are there in the pods',
  look: (workload, estate) => {
    const names = new Set(
      runningContainers(podOf(workload)).flatMap(({ ports = [] }) => ports.flatMap(({ name }) => name ?? [])),
    )
    return servicesOf(estate, workload).flatMap((service) =>
      (serviceFields(service).ports ?? []).flatMap(({ port, targetPort }): Found[] =>
        typeof targetPort === 'string' && !/^\d+$/.test(targetPort) && !names.has(targetPort)
          ? [
              {
                severity: 'error',
                problem: `port ${port} of ${nameOf(service)} leads to a port called "${targetPort}", which no container has`,
                remedy: 'name a port of a container so, or write its number',
              },
            ]
          : [],
      ),
    )
  },
}

export const SERVER_FIRST: Requirement = {
  id: 'server-first',
  about: 'servers that speak first',
  holds: 'ports on which the server speaks first are declared TCP (Istio: "Server First Protocols")',
  look: (workload, estate) => {
    const product = (workload.template.spec?.containers ?? [])
      .map(({ image }) => knownProduct(image ?? ''))
      .find((each) => each?.hurt === 'server-first')
    if (!product) return []
    return servicesOf(estate, workload).flatMap((service) =>
      (serviceFields(service).ports ?? [])
        .filter(
          (port: EstatePort) =>
            product.ports.includes(port.port) && servicePortProtocol({ ...port, port: 0 }) === 'auto',
        )
        .map(
          (port): Found => ({
            severity: 'error',
            problem: `${product.name} at port ${port.port} of ${nameOf(service)} speaks first, and the port does not say that it is TCP: under PERMISSIVE a connection waits for the client's first bytes, which never come`,
            remedy: product.advice,
          }),
        ),
    )
  },
}

export const UDP_PORTS: Requirement = {
  id: 'udp',
  about: 'UDP',
  holds: 'nothing that must be encrypted or seen goes over UDP (Istio: "Protocol Selection")',
  look: (workload, estate) =>
    servicesOf(estate, workload).flatMap((service) =>
      (serviceFields(service).ports ?? [])
        .filter(({ protocol }) => protocol === 'UDP' || protocol === 'SCTP')
        .map(
          ({ port, protocol }): Found => ({
            severity: 'info',
            problem: `port ${port} of ${nameOf(service)} is ${protocol}: it goes by the proxy, neither encrypted nor counted`,
            remedy: 'look whether that is allowed',
          }),
        ),
    ),
}

export const OWN_TLS: Requirement = {
  id: 'own-tls',
  about: "the application's own TLS",
  holds: 'it is known which ports bring TLS of their own',
  look: (workload, estate) =>
    servicesOf(estate, workload).flatMap((service) =>
      (serviceFields(service).ports ?? [])
        .filter(
          (port) => ['https', 'tls'].includes(servicePortProtocol(port)) || port.port === 443 || port.port === 8443,
        )
        .map((port): Found => {
          const declared = ['https', 'tls'].includes(servicePortProtocol(port))
          return declared
            ? {
                severity: 'info',
                problem: `port ${port.port} of ${nameOf(service)} is TLS of the application's own: it passes through, inside of mesh mTLS, and its requests cannot be seen, routed or retried`,
                remedy: 'let the application speak plain text behind its proxy, once all its clients have one',
              }
            : {
                severity: 'warning',
                problem: `port ${port.port} of ${nameOf(service)} looks like TLS, and is declared to be ${servicePortProtocol(port) === 'auto' ? 'nothing' : servicePortProtocol(port)}`,
                remedy: 'name it https-... or tls-... if it brings TLS of its own; leave it if it does not',
              }
        }),
    ),
}

export const HOST_PORTS: Requirement = {
  id: 'host-ports',
  about: 'ports of the node',
  holds: 'nobody is to reach the pod by a port of its node past policies',
  look: (workload) =>
    runningContainers(podOf(workload)).flatMap(({ name, ports = [] }) =>
      ports
        .filter(({ hostPort }) => hostPort !== undefined)
        .map(
          ({ hostPort }): Found => ({
            severity: 'warning',
            problem: `container "${name}" is reached by port ${hostPort} of its node: those clients have no proxy, and STRICT shuts them out`,
            remedy: 'lead them through a gateway',
          }),
        ),
    ),
}
