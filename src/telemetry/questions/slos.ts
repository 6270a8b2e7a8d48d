/** What became of a ServiceLevelObjective. */
export interface SloStatus {
  readonly namespace: string
  readonly name: string
  readonly description: string
  /** Whose requests count, for people: `reviews.default.svc.cluster.local`. */
  readonly target: string
  /** When a request is good, for people: `answered in 250 ms`. */
  readonly indicator: string
  /** The share that is promised, 0 to 1. */
  readonly objective: number
  readonly window: SloWindow
  /** Since when it is counted, in ms since the epoch; null where nothing is counted yet. Later than the window where the mesh is younger, or less is kept. */
  readonly measuredSince: number | null
  readonly requests: number
  readonly bad: number
  /** The share of good requests, 0 to 1; null where there was none. */
  readonly achieved: number | null
  /** The share of the error budget that is left: 1 where none is used, negative where more was used than there is; null where there was no request. */
  readonly budgetLeft: number | null
  /** The fastest first. */
  readonly burn: readonly BurnRate[]
  /** `missed`: no budget is left; `at risk`: it is used up too fast; `no data`: nothing was counted. */
  readonly state: SloState
  /** Why it is not measured, or less well than it seems, in words; empty where nothing is to be said. */
  readonly problems: readonly string[]
}

export type SloState = 'met' | 'at risk' | 'missed' | 'no data'

export interface SloWindow {
  /** `30d`, or `Month`. */
  readonly name: string
  /** When it began, in ms since the epoch. */
  readonly from: number
}

/** How fast the budget is used up: 1 is so that it is gone at the window's end. */
export interface BurnRate {
  readonly severity: 'critical' | 'warning'
  /** In ms. */
  readonly longWindow: number
  readonly shortWindow: number
  /** Above this in both windows an alert fires. */
  readonly above: number
  /** Null where too little was asked to tell. */
  readonly long: number | null
  readonly short: number | null
}
