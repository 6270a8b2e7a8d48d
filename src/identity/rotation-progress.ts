import type { ConnectedAgent, ReportedCertificate, ReportedProxy } from './certificate-sync.ts'
import type { Rotation } from './rotation.ts'

/** What one server tells of certificates, as far as a rotation has to know it. */
export interface ServerProgress {
  readonly trustBundlePem: string
  /** As `rootsVersion`. */
  readonly rootsVersion: string
  readonly signing: { readonly root: string; readonly issuer?: string }
  readonly rotation?: Rotation
  /** The server's own. */
  readonly serving: ReportedCertificate
  readonly agents: readonly ConnectedAgent[]
}

/**
 * Who does not have yet what the stage of a rotation says, each with the reason, for people. None is left where the next stage may begin.
 * @param rotation as it is kept
 * @param servers all of them
 * @param proxies `namespace/pod` of all that run
 */
export function behind(
  rotation: Rotation,
  servers: readonly ServerProgress[],
  proxies: readonly string[],
): readonly string[] {
  const unaware = servers.filter((server) => !sameStage(server.rotation, rotation))
  if (unaware.length > 0) return [`${unaware.length} of ${servers.length} servers have not heard of it yet`]
  const [one, ...others] = servers
  if (!one) return proxies
  if (others.some((other) => other.rootsVersion !== one.rootsVersion || other.signing.root !== one.signing.root))
    return ['servers do not agree yet']
  const goal = goalOf(rotation, one)
  if (!goal) return ['the new intermediate is not made yet']
  const agents = servers.flatMap((server) => server.agents)
  const told = new Map(
    agents.flatMap(({ report }) => report?.proxies.map((proxy) => [proxy.pod, proxy] as const) ?? []),
  )
  return [
    ...servers.flatMap(({ serving }) => (isSigned(serving, goal) ? [] : ['a server has its old certificate'])),
    ...agents.flatMap(({ node, report }) =>
      report && isSigned(report.own, goal) && trusts(report.roots, goal) ? [] : [`agent of node ${node}`],
    ),
    ...proxies.flatMap((proxy) => {
      const problem = proxyProblem(told.get(proxy), goal)
      return problem === undefined ? [] : [`${proxy} (${problem})`]
    }),
  ]
}

/** What everybody is to have. */
interface Goal {
  /** SHA-256 of the roots; undefined where it does not matter. */
  readonly roots: string | undefined
  readonly root: string | undefined
  readonly issuer: string | undefined
}

function goalOf(rotation: Rotation, { rootsVersion: roots, signing }: ServerProgress): Goal | undefined {
  if (rotation.kind === 'root') {
    // Whom the last stage left behind catches up in this one.
    const signed = rotation.stage !== 'trust'
    return { roots, root: signed ? signing.root : undefined, issuer: undefined }
  }
  if (rotation.replaces === signing.issuer) return undefined
  return { roots: undefined, root: undefined, issuer: signing.issuer }
}

function sameStage(theirs: Rotation | undefined, rotation: Rotation): boolean {
  if (theirs?.kind !== rotation.kind || theirs.startedAt !== rotation.startedAt) return false
  return theirs.kind === 'intermediate' || rotation.kind === 'intermediate' || theirs.stage === rotation.stage
}

function proxyProblem(proxy: ReportedProxy | undefined, goal: Goal): string | undefined {
  if (!proxy) return 'no agent knows it'
  if (!proxy.connected) return 'not connected to its agent'
  if (!trusts(proxy.roots, goal) || (goal.roots !== undefined && !proxy.rootsTaken)) return 'has other roots'
  if (goal.root === undefined && goal.issuer === undefined) return undefined
  const isNew = proxy.certificate !== undefined && isSigned(proxy.certificate, goal) && proxy.certificateTaken
  return isNew ? undefined : 'has its old certificate'
}

function trusts(roots: string, goal: Goal): boolean {
  return goal.roots === undefined || roots === goal.roots
}

function isSigned({ root, issuer }: ReportedCertificate, goal: Goal): boolean {
  return (goal.root === undefined || root === goal.root) && (goal.issuer === undefined || issuer === goal.issuer)
}
