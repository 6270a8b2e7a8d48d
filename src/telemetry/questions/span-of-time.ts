/** From when to when something is asked, in ms since the epoch: `from` inclusive, `to` exclusive. */
export interface TimeSpan {
  readonly from: number
  readonly to: number
}

/** Whom a question is about: what is given must hold, what is absent may be anything. */
export interface Party {
  readonly namespace?: string
  readonly workload?: string
  readonly app?: string
  readonly version?: string
  /** Host name of a Service or ServiceEntry: `reviews.default.svc.cluster.local`. Of callees only. */
  readonly service?: string
}
