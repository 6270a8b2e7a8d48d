// YAML of a small mesh to do things to: an ingress gateway, a front that calls what it is told to, and a back in two versions.
import type { LoadOptions } from './load.ts'

/** A request through the gateway and front to back; what answers tells its pod and version. */
export const TO_BACK = '/call?url=http://back:8080/'

/** One of the echo's Deployments. */
export interface EchoOptions {
  readonly app: string
  readonly version?: string
  readonly replicas?: number
  readonly serviceAccount?: string
}

/** A Deployment of the sample's echo: HTTP on 8080, lines over TCP on 9000. */
export function deployment({ app, version = 'v1', replicas = 1, serviceAccount = app }: EchoOptions): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${app}-${version} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${app}, version: ${version} } }
  template:
    metadata: { labels: { app: ${app}, version: ${version} } }
    spec:
      serviceAccountName: ${serviceAccount}
      containers:
        - name: echo
          image: docker.io/weft/echo:1
          env: [{ name: SERVICE_VERSION, value: ${version} }]
          ports: [{ containerPort: 8080 }, { containerPort: 9000 }]
`
}

function service(app: string): string {
  return `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${app} }
---
apiVersion: v1
kind: Service
metadata: { name: ${app} }
spec:
  selector: { app: ${app} }
  ports: [{ name: http, port: 8080 }, { name: tcp, port: 9000 }]
`
}

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: way-in }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: way-in }
spec:
  hosts: ["*"]
  gateways: [way-in]
  http: [{ route: [{ destination: { host: front, port: { number: 8080 } } }] }]
`

/** Subsets of back by version. */
export function subsets(...versions: readonly string[]): string {
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: back }
spec:
  host: back
  subsets: [${versions.map((version) => `{ name: ${version}, labels: { version: ${version} } }`).join(', ')}]
`
}

/** The VirtualService of back with these rules: text of the list \`spec.http\`, as YAML's flow style has it. */
export function rules(http: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: back }
spec:
  hosts: [back]
  http: ${http}
`
}

/** A destination in such a rule. */
export function to(version: string, weight?: number): string {
  return `{ destination: { host: back, subset: ${version} }${weight === undefined ? '' : `, weight: ${weight}`} }`
}

export interface EchoMeshOptions {
  /** Of front. */
  readonly fronts?: number
  /** Of version v1 of back; v2 has one. */
  readonly backs?: number
}

/** Files of the mesh, to be written over one by one. */
export function echoMesh({ fronts = 1, backs = 1 }: EchoMeshOptions = {}): Record<string, string> {
  return {
    'gateway.yaml': gateway,
    'services.yaml': [service('front'), service('back')].join('---'),
    'front.yaml': deployment({ app: 'front', replicas: fronts }),
    'back-v1.yaml': deployment({ app: 'back', replicas: backs }),
    'back-v2.yaml': deployment({ app: 'back', version: 'v2' }),
    'subsets.yaml': subsets('v1', 'v2'),
  }
}

/** What front tells of the calls that it made. */
interface FrontAnswer {
  readonly pod: string
  readonly answers: readonly { readonly status?: number; readonly body?: string; readonly error?: string }[]
}

interface Answerer {
  /** Unknown over TCP. */
  readonly pod?: string
  readonly version: string
}

/** Who answered, in the order of the calls; throws with the call that failed. */
export function answerers(body: string): Answerer[] {
  const { pod, answers } = JSON.parse(body) as FrontAnswer
  return answers.map(({ status, body = '', error }) => {
    // A line over TCP: `VERSION TEXT`.
    if (status === undefined && error === undefined) return { version: body.split(' ')[0] ?? '' }
    if (status !== 200) throw new Error(`${pod} got ${error ?? `status ${status}: ${body.slice(0, 200)}`}`)
    return JSON.parse(body) as Answerer
  })
}

/** Of a load on TO_BACK: that back has answered each call; counts answers by version, and by pod. */
export function checkCalls(counts: Record<string, number> = {}): Pick<LoadOptions, 'check'> {
  return {
    check(body) {
      try {
        for (const { pod, version } of answerers(body)) {
          counts[version] = (counts[version] ?? 0) + 1
          if (pod !== undefined) counts[pod] = (counts[pod] ?? 0) + 1
        }
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    },
  }
}
