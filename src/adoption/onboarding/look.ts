import { keyOf } from '../../resources/resource.ts'
import { nameOf, servicesOf, workloadsOf } from '../estate/estate.ts'
import { workloadText } from '../inventory/inventory.ts'
import type { Finding, Onboarding } from './onboarding.ts'
import { RULE_KINDS } from './rules.ts'
import type { View } from './step.ts'
import type { WorkloadName, World } from './world.ts'

const CANARY = '-weft-canary'

/** What is there now; undefined where there is no such Application any more. */
export async function look(onboarding: Onboarding, world: World): Promise<View | undefined> {
  const [applications, estate, coverage, onboardings, ...rules] = await Promise.all([
    world.applications(),
    world.estate(),
    world.evidence.coverage(),
    world.journal.list(),
    ...RULE_KINDS.map((kind) => world.objects.list(kind)),
  ])
  const application = applications.find((each) => keyOf(each) === onboarding.spec.application)
  if (!application) return undefined
  const named = new Set(
    (application.spec?.workloads ?? []).map((each) => `${application.metadata.namespace}/${workloadText(each)}`),
  )
  const all = workloadsOf(estate)
  const workloads = all.filter(({ namespace, kind, name }) => named.has(`${namespace}/${kind}/${name}`))
  // Who is behind the same Services is called by the same rules.
  const services = new Set(workloads.flatMap((workload) => servicesOf(estate, workload)).map(nameOf))
  const beside = all.filter(
    (each) => workloads.includes(each) || servicesOf(estate, each).some((service) => services.has(nameOf(service))),
  )
  return {
    now: world.clock.now(),
    onboarding,
    application,
    workloads,
    instances: await world.mesh.instances(beside.map(nameOfWorkload)),
    instancesOf: (asked) => world.mesh.instances(asked),
    estate,
    rules: rules.flat(),
    coverage,
    evidence: world.evidence,
    onboardings,
    applications,
  }
}

function nameOfWorkload({ namespace, name }: WorkloadName): WorkloadName {
  return { namespace, name }
}

/** The workloads of the application, as telemetry calls them: its canaries are some. */
export function ownWorkloads({ workloads }: Pick<View, 'workloads'>): readonly WorkloadName[] {
  return workloads.flatMap(({ namespace, name }) => [
    { namespace, name },
    { namespace, name: canaryName(name) },
  ])
}

/** What a Deployment is called that has the first instance with a proxy of another. */
export function canaryName(workload: string): string {
  return `${workload}${CANARY}`
}

/** Whose canary a workload is; itself where it is none. Who called both is one client: a canary is gone too soon to tell how often somebody calls. */
export function canaryOwner(workload: string): string {
  return workload.endsWith(CANARY) ? workload.slice(0, -CANARY.length) : workload
}

/** The pods of the application itself, canaries among them. */
export function ownInstances(view: Pick<View, 'instances' | 'workloads'>): View['instances'] {
  const own = ownWorkloads(view)
  return view.instances.filter(({ workload }) =>
    own.some(({ namespace, name }) => namespace === workload.namespace && name === workload.name),
  )
}

/** What has to be so for any step: that the application is there, is one, and may join. */
export function standing({ application, applications, workloads, onboarding }: View): readonly Finding[] {
  const key = onboarding.spec.application
  const findings: Finding[] = []
  const { exempt, workloads: named = [] } = application.spec ?? {}
  if (exempt)
    findings.push({
      holds: false,
      says: `${key} is exempt: ${exempt.reason}`,
      remedy: 'take spec.exempt out of the Application',
    })
  for (const each of named) {
    const { kind = 'Deployment', name } = each
    if (!workloads.some((there) => there.kind === kind && there.name === name))
      findings.push({
        holds: false,
        says: `${workloadText(each)}, which it names, is not there`,
        remedy: 'bring it back, or take it out of the Application',
      })
    for (const other of applications) {
      const isOther = keyOf(other) !== key && other.metadata.namespace === application.metadata.namespace
      const has = other.spec?.workloads?.some((theirs) => workloadText(theirs) === workloadText(each))
      if (isOther && has)
        findings.push({
          holds: false,
          says: `${workloadText(each)} is of Application ${keyOf(other)} too`,
          remedy: 'leave it in one of them: what joins the mesh joins once',
        })
    }
  }
  return findings.length > 0 ? findings : [{ holds: true, says: `all ${named.length} workloads are there` }]
}
