export const ALERT_SEVERITIES = ['critical', 'warning', 'info'] as const
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number]

/** Something that somebody has to be told of, or had to. */
export interface Alert {
  /** Stays the same from one time to the next, and over restarts: `slo/shop/cart/critical`, `rule/shop/errors/cart.shop.svc.cluster.local`. */
  readonly key: string
  readonly rule: AlertSource
  readonly severity: AlertSeverity
  /** By which receivers and silences choose: `rule`, `namespace`, `severity`, often `service`, and those of the rule. */
  readonly labels: Readonly<Record<string, string>>
  /** In a sentence without a full stop: `3.2 % of requests to cart.shop failed in the last 5m`. */
  readonly summary: string
  /** Where it stands what to do; empty where nobody said so. */
  readonly runbook: string
  /** `pending`: it is so, but not for as long as the rule asks for. */
  readonly state: 'pending' | 'firing' | 'resolved'
  /** When it began to be so, in ms since the epoch. */
  readonly since: number
  /** When it began to fire, in ms since the epoch; null while it is pending. */
  readonly firedAt: number | null
  readonly resolvedAt: number | null
  /** For how long it has been pending by measured time, in ms. */
  readonly held: number
  /** When somebody looked last, in ms since the epoch. */
  readonly lookedAt: number
  /** Since when there is nothing to tell from whether it still is so, in ms since the epoch; null where there is. */
  readonly noDataSince: number | null
  /** Why it ended, where that is not that all is well again; empty otherwise. */
  readonly ended: string
}

/** What an alert comes from. */
export interface AlertSource {
  readonly kind: 'ServiceLevelObjective' | 'AlertRule' | 'Test'
  readonly namespace: string
  readonly name: string
}

/** How it stands with telling a receiver. */
export interface ReceiverStatus {
  readonly namespace: string
  readonly name: string
  /** `webhook`, `pagerDuty`... */
  readonly type: string
  /** Alerts that wait to be told. */
  readonly waiting: number
  /** What went wrong last, where it was not told since; empty where nothing did. */
  readonly problem: string
  /** When it is tried again, in ms since the epoch; null where nothing waits. */
  readonly nextTry: number | null
  /** When it was told something last, in ms since the epoch. */
  readonly lastTold: number | null
}

export interface SilenceStatus {
  readonly namespace: string
  readonly name: string
  readonly reason: string
  readonly by: string
  readonly from: number | null
  readonly until: number
  readonly active: boolean
}

export interface AlertsAnswer {
  /** Firing first, then pending; then those that ended lately, the last first. */
  readonly alerts: readonly (Alert & {
    /** Name of the silence that keeps it quiet; empty where none does. */
    readonly silencedBy: string
  })[]
  readonly receivers: readonly ReceiverStatus[]
  readonly silences: readonly SilenceStatus[]
  /** AlertRules about which nothing can be told now, with the reason. */
  readonly problems: readonly { readonly rule: AlertSource; readonly problem: string }[]
}
