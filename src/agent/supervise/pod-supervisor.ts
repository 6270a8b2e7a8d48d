import type { DesiredPod, PodStatus } from '../../sources/local-cluster/pod-plan.ts'
import { PodRunner, type PodRunnerOptions } from './pod-runner.ts'

export interface PodSupervisorOptions extends PodRunnerOptions {
  /** The pods that exist here now, before their processes start and until they are gone: who serves them certificates must know. */
  readonly onPods: (pods: readonly DesiredPod[]) => void
}

/** Makes the pods that run those that should run: what a kubelet is to a node. */
export class PodSupervisor {
  readonly #options: PodSupervisorOptions
  /** By key. */
  readonly #runners = new Map<string, PodRunner>()
  #desired: readonly DesiredPod[] = []
  #stopped = false

  constructor(options: PodSupervisorOptions) {
    this.#options = options
  }

  get pods(): readonly DesiredPod[] {
    return [...this.#runners.values()].map(({ pod }) => pod)
  }

  statuses(): PodStatus[] {
    return [...this.#runners.values()].map((runner) => runner.status())
  }

  setDesired(pods: readonly DesiredPod[]): void {
    this.#desired = pods
    this.#reconcile()
  }

  /** Stops all pods: gateways first, so that nothing new comes in while the rest goes. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true
    const all = [...this.#runners.values()]
    const isGateway = ({ pod }: PodRunner) => pod.role === 'gateway'
    await Promise.all(all.filter(isGateway).map((runner) => runner.stop(graceMs)))
    await Promise.all(all.filter((runner) => !isGateway(runner)).map((runner) => runner.stop(graceMs)))
  }

  /** Somebody else ends all processes: none is started again. */
  abandon(): void {
    this.#stopped = true
    for (const runner of this.#runners.values()) runner.abandon()
  }

  #reconcile(): void {
    if (this.#stopped) return
    const desired = new Map(this.#desired.filter(({ terminating }) => !terminating).map((pod) => [pod.key, pod]))
    for (const [key, runner] of this.#runners) {
      const wanted = desired.get(key)
      if (wanted?.uid === runner.pod.uid) runner.update(wanted)
      else if (!runner.removing) void this.#remove(key, runner)
    }
    const added: PodRunner[] = []
    for (const pod of desired.values()) {
      // One of the same name that is still going is waited for.
      if (this.#runners.has(pod.key)) continue
      const runner = new PodRunner(pod, this.#options)
      this.#runners.set(pod.key, runner)
      added.push(runner)
    }
    if (added.length === 0) return
    for (const runner of added) runner.prepare()
    this.#options.onPods(this.pods)
    for (const runner of added) runner.start()
    this.#options.onChange()
  }

  async #remove(key: string, runner: PodRunner): Promise<void> {
    await runner.remove()
    if (this.#runners.get(key) === runner) this.#runners.delete(key)
    this.#options.onPods(this.pods)
    this.#options.onChange()
    this.#reconcile()
  }
}
