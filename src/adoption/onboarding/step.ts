import type { Application } from '../../resources/adoption.ts'
import type { AppWorkload, Estate, EstateObject } from '../estate/estate.ts'
import type { Finding, Onboarding, StepName } from './onboarding.ts'
import type { Coverage, Evidence, Instance, ObjectChange, WorkloadName } from './world.ts'

/** What is there at one moment: all that gates look at. */
export interface View {
  /** Ms since the epoch. */
  readonly now: number
  readonly onboarding: Onboarding
  readonly application: Application
  /** Of the application; one that the application names and that is not there is not among them. */
  readonly workloads: readonly AppWorkload[]
  /** Their pods, and those of others behind the same Services. */
  readonly instances: readonly Instance[]
  /** The pods of other workloads. */
  readonly instancesOf: (workloads: readonly WorkloadName[]) => Promise<readonly Instance[]>
  readonly estate: Estate
  /** Policies, routes and rules, of the kinds that steps write or look at. */
  readonly rules: readonly EstateObject[]
  readonly coverage: Coverage
  readonly evidence: Evidence
  /** Everybody's. */
  readonly onboardings: readonly Onboarding[]
  readonly applications: readonly Application[]
}

/** What a step is about to do. */
export interface Proposal extends ObjectChange {
  /** What there is to say for it: where a number comes from. */
  readonly findings: readonly Finding[]
}

/** One step of onboarding. Steps read; the engine alone writes. */
export interface Step {
  readonly name: StepName
  /** For people, as a noun: `mutual TLS required`. */
  readonly title: string
  /** What has to be there before; every finding must hold. */
  gate(view: View): Promise<readonly Finding[]>
  /** Objects to be written; undefined where there is nothing to do, with the reason. */
  propose(view: View): Promise<Proposal | { readonly nothing: string }>
  /** What to look at beside the application's signals while it is watched: a finding that does not hold undoes the step. @param since ms since the epoch */
  check?(view: View, since: number): Promise<readonly Finding[]>
  /** The same when it has been done for long: who suffers from it that was not there while it was watched. @param since when it was done */
  later?(view: View, since: number): Promise<readonly Finding[]>
  /** What is taken away when all went well. */
  tidy?(view: View): Promise<ObjectChange>
  /** The step down to which all is undone when this one is: itself where absent. */
  undoneWith?(view: View): StepName
  /** What has to be there before it is undone. */
  undoGate?(view: View): Promise<readonly Finding[]>
  /** Response flags that only this step can cause: one is enough to undo it. */
  readonly telltales?: readonly string[]
  /** Those of them that nothing else causes, however long after. */
  readonly lasting?: readonly string[]
}
