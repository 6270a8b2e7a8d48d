/** What the console is answered below `/api/v1/console/`: plain JSON, shared between the server and the page. */
import type { Message, Severity } from '../../resources/message.ts'

export type { Message, Severity }

/** `synced`: it holds the newest configuration. `updating`: something newer is on its way. `rejected`: it refused something. */
export type ProxyState = 'synced' | 'updating' | 'rejected' | 'disconnected'

/** What a workload asks of its clients; `mixed` where its ports or pods differ, `none` where it has no proxy. */
export type MtlsSummary = 'strict' | 'permissive' | 'disabled' | 'mixed' | 'none'

export type FindingCounts = Readonly<Record<Severity, number>>

/** An object that somebody wrote. */
export interface ObjectRef {
  /** `networking.istio.io/VirtualService` */
  readonly id: string
  readonly kind: string
  /** `namespace/name`, or `name` */
  readonly key: string
  /** Where it was written; absent for what was made. */
  readonly file?: string
  readonly line?: number
}

/** An object, and in a few words what it has to do with what is shown. */
export interface ObjectSay extends ObjectRef {
  readonly how: string
}

export interface MeshInfo {
  readonly name: string
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly trustDomain: string
  /** Where changes go: into files of this machine, or to a cluster's API server. */
  readonly place: 'files' | 'cluster'
  /** Whether changes can be applied from here; else they can only be looked at and copied. */
  readonly writable: boolean
  readonly waitingFor: readonly string[]
}

/** Something that a person should look at. */
export interface Attention {
  readonly severity: Severity
  readonly title: string
  /** Of the object that the title names. */
  readonly field?: string
  readonly detail: string
  readonly remedy?: string
  /** Path in the console that shows more. */
  readonly to: string
}

export interface Overview {
  readonly mesh: MeshInfo
  readonly counts: {
    readonly services: number
    readonly workloads: number
    readonly pods: number
    readonly gateways: number
    readonly namespaces: number
    readonly routes: number
    readonly policies: number
  }
  readonly proxies: Readonly<Record<ProxyState, number>>
  readonly findings: FindingCounts
  readonly certificates: { readonly held: number; readonly ending: number }
  /** Of the workloads with a proxy, by what they ask of their clients. */
  readonly mtls: Readonly<Record<Exclude<MtlsSummary, 'none'>, number>>
  /** The gravest first. */
  readonly attention: readonly Attention[]
  /** How many there are beyond those. */
  readonly moreAttention: number
}

export interface PortView {
  readonly number: number
  readonly name: string
  readonly protocol: string
}

export interface ServiceRow {
  readonly host: string
  readonly name: string
  readonly namespace: string
  /** Outside the mesh. */
  readonly external: boolean
  readonly ports: readonly PortView[]
  readonly endpoints: { readonly ready: number; readonly total: number }
  /** Values of the label `version` of what serves it. */
  readonly versions: readonly string[]
  readonly mtls: MtlsSummary
  readonly routes: number
  readonly findings: FindingCounts
}

export interface EndpointView {
  readonly address: string
  /** `namespace/pod` */
  readonly pod?: string
  /** `namespace/name` of the workload that the pod is of. */
  readonly workload?: string
  readonly version?: string
  readonly ready: boolean
  readonly mtls: MtlsSummary
  readonly zone?: string
}

/** Where a rule sends what it matches. */
export interface RouteTarget {
  /** `reviews`, `reviews v2`; or what is answered instead. */
  readonly text: string
  /** In percent of the requests that the rule matches. */
  readonly share: number
  readonly version?: string
}

export interface RouteRuleView {
  readonly name?: string
  /** Each in a few words; any of them is enough. Empty where everything matches. */
  readonly matches: readonly string[]
  readonly targets: readonly RouteTarget[]
  /** `timeout 3s`, `3 retries` */
  readonly effects: readonly string[]
}

export interface RouteView extends ObjectSay {
  /** In the order in which they are tried. */
  readonly rules: readonly RouteRuleView[]
}

export interface ServiceView extends ServiceRow {
  readonly object: ObjectRef
  readonly resolution: string
  readonly addresses: readonly string[]
  readonly serving: readonly EndpointView[]
  readonly drawn: readonly RouteView[]
  readonly rules: readonly ObjectSay[]
  readonly policies: readonly ObjectSay[]
  readonly messages: readonly Message[]
}

export interface WorkloadRow {
  readonly namespace: string
  readonly name: string
  readonly app: string
  readonly version: string
  readonly role: 'sidecar' | 'gateway' | 'none'
  readonly pods: number
  readonly proxies: Readonly<Record<ProxyState, number>>
  /** SPIFFE IDs. */
  readonly identities: readonly string[]
  readonly mtls: MtlsSummary
  readonly findings: FindingCounts
}

export interface CertificateRow {
  readonly spiffeId: string
  readonly serial: string
  readonly issuer: string
  readonly root: string
  /** ISO 8601 */
  readonly notBefore: string
  readonly notAfter: string
  readonly key?: string
  readonly node?: string
  readonly usedBy: readonly string[]
  readonly lastSeen?: string
}

export interface CertificatesView {
  /** Absent where the server signs nothing. */
  readonly authority?: {
    readonly trustDomain: string
    readonly selfMade: boolean
    readonly root: string
    readonly issuer?: string
    readonly rotating?: string
    readonly blocked: readonly string[]
  }
  readonly certificates: readonly CertificateRow[]
}

export interface PodView {
  /** `namespace/name` */
  readonly key: string
  readonly address: string
  readonly node?: string
  readonly phase: string
  readonly ready: boolean
  readonly proxy?: ProxyRow
  readonly certificate?: CertificateRow
}

export interface WorkloadView extends WorkloadRow {
  readonly instances: readonly PodView[]
  /** Hosts of the services that it is behind. */
  readonly services: readonly { readonly host: string; readonly ports: readonly PortView[] }[]
  readonly policies: readonly ObjectSay[]
  /** Routes and rules for calls of those services. */
  readonly rules: readonly ObjectSay[]
  readonly messages: readonly Message[]
}

export interface ProxyTypeView {
  readonly type: string
  readonly state: string
  readonly resources: number
  readonly pending: number
}

export interface ProxyRow {
  /** `namespace/pod` */
  readonly proxy: string
  /** `namespace/name` of its workload. */
  readonly workload: string
  readonly role: 'sidecar' | 'gateway'
  readonly state: ProxyState
  /** Absent while it is not connected. */
  readonly envoy?: string
  /** Milliseconds since the epoch. */
  readonly connectedSince?: number
  readonly types: readonly ProxyTypeView[]
}

export interface ConfiguredResource {
  readonly type: string
  readonly name: string
  readonly sources: readonly ObjectRef[]
}

export interface ProxyView extends ProxyRow {
  readonly rejected: readonly { readonly type: string; readonly name: string; readonly error: string }[]
  readonly resources: readonly ConfiguredResource[]
}

export interface ObjectRow extends ObjectRef {
  readonly findings: FindingCounts
}

export interface ObjectView extends ObjectRef {
  readonly yaml: string
  readonly messages: readonly Message[]
}

export interface SearchHit {
  readonly kind: 'service' | 'workload' | 'proxy' | 'object'
  readonly title: string
  readonly detail: string
  readonly to: string
}

/** What the stream at `/api/v1/console/live` tells: what of the answers may be another now. */
export type LiveTopic = 'objects' | 'findings' | 'proxies' | 'certificates' | 'telemetry' | 'alerts' | 'adoption'

/** How the requests to a service are spread, as far as it can be told. */
export interface ShiftState {
  readonly host: string
  /** Versions that can be named. */
  readonly versions: readonly string[]
  /** In percent; absent where no rule says any: all alike. */
  readonly shares?: Readonly<Record<string, number>>
  /** Why it can't be shifted from here. */
  readonly problem?: string
  readonly remedy?: string
}

export interface AskedShift {
  readonly host: string
  /** Whole percents that add up to 100. */
  readonly shares: Readonly<Record<string, number>>
  /** Whose requests alone. */
  readonly audience?: { readonly by: 'header' | 'cookie'; readonly name: string; readonly value: string }
}

/** What a shift would write. Nothing is written by asking. */
export interface ShiftPlan {
  readonly host: string
  readonly before?: Readonly<Record<string, number>>
  readonly changes: readonly PlannedChange[]
  /** To be handed over with the call that applies it: it is refused where the plan would be another by then. */
  readonly plan: string
  /** What the analysis says of it, beyond what it says already. */
  readonly messages: readonly Message[]
}

export interface PlannedChange {
  /** A file, or an object of the cluster. */
  readonly where: string
  readonly objects: readonly string[]
  readonly diff: readonly DiffLine[]
  /** The object as it would be, or the objects. */
  readonly yaml: string
}

export interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed' | 'skipped'
  readonly text: string
}

export interface ShiftApplied {
  readonly written: readonly string[]
}

/** Any refusal. */
export interface Refused {
  readonly error: string
  readonly remedy?: string
}

/** What would become of a call that somebody tries. */
export interface CallVerdict {
  readonly allowed: boolean
  /** What the caller sees of it: `answered 403`. */
  readonly outcome: string
  /** SPIFFE ID without its scheme. */
  readonly principal?: string
  readonly port: number
  /** In the order in which the proxy looks; the last one decided, where the call was refused. */
  readonly steps: readonly {
    readonly layer: string
    readonly says: string
    readonly refused: boolean
    readonly rule?: number
    readonly source?: { readonly object: string; readonly file?: string; readonly line?: number }
  }[]
  /** Provider that is asked besides, and may still refuse. */
  readonly asks?: string
}

/** A call that somebody tries. */
export interface TriedCall {
  /** `namespace/pod` that is called. */
  readonly to: string
  /** SPIFFE ID or `namespace/pod`; empty for a caller without certificate. */
  readonly from: string
  readonly method: string
  readonly path: string
  /** Of the workload; may be absent where it has one only. */
  readonly port?: number
  /** `NAME: VALUE` each. */
  readonly headers: readonly string[]
}

/** How far the adoption is. */
export interface AdoptionBoard {
  /** Where it is written down; null where the server was not told. */
  readonly folder: string | null
  /** By name; those that are not on their way yet, too. */
  readonly applications: readonly AdoptionRow[]
  /** What cannot be read of it. */
  readonly problems: readonly string[]
}

export interface AdoptionRow {
  /** `namespace/name` */
  readonly application: string
  readonly team?: string
  readonly criticality?: string
  /** Why it is to stay out of the mesh. */
  readonly exempt?: string
  /** `namespace/name` of what it consists of. */
  readonly workloads: readonly string[]
  /** All of them, in their order; none where it is not on its way. */
  readonly steps: readonly AdoptionStep[]
  /** What is done with it: `go` is carried on, `pause` begins nothing further, `undo` is taken back. */
  readonly wish: 'go' | 'pause' | 'undo'
  /** What somebody asked for that nobody has taken up yet. */
  readonly asked?: string
  /** What holds it now. */
  readonly held: readonly AdoptionFinding[]
}

export interface AdoptionStep {
  readonly name: string
  readonly title: string
  /** `behind`: done, or nothing to do; `worse`: done, and something is worse since. */
  readonly standing: 'behind' | 'worse' | 'now' | 'ahead' | 'left out' | 'undone'
  /** In ms since the epoch. */
  readonly since: number
  readonly evidence: readonly AdoptionFinding[]
}

/** What somebody wants of an application's way into the mesh. */
export interface AskedOnboarding {
  /** `namespace/name` */
  readonly application: string
  readonly wish: 'start' | 'pause' | 'resume' | 'undo'
  /** Down to which step it is undone, that one too; all of it where absent. Or, of `start`, the step before which it waits. */
  readonly step?: string
}

export interface AdoptionFinding {
  readonly holds: boolean
  readonly says: string
  readonly remedy?: string
}
