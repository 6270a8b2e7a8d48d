// A dashboard as it is described; grafana.ts makes Grafana's JSON of it.

/** How Grafana shows numbers. */
export type Unit = 'reqps' | 'cps' | 'percentunit' | 'ms' | 's' | 'bytes' | 'Bps' | 'short' | 'dtdurations'

export interface Query {
  /** PromQL. `$rate` stands for a range that is long enough for rates; `$NAME` for a variable of the dashboard. */
  readonly expression: string
  /** What a line is called: labels as `{{label}}`, which the expression has to leave. */
  readonly legend: string
}

export interface Panel {
  readonly title: string
  /** What it shows, and what to do about it, in a sentence or two. */
  readonly about?: string
  readonly unit: Unit
  readonly kind: 'lines' | 'number' | 'table'
  /** Of 24. */
  readonly width: number
  readonly queries: readonly Query[]
}

/** A choice at the top, of the values that a label has. */
export interface Variable {
  readonly name: string
  readonly title: string
  readonly metric: string
  readonly label: string
  /** Selects among the series, such as `destination_workload_namespace=~"$namespace"`. */
  readonly where?: string
  /** Whether several may be chosen, or all. */
  readonly many: boolean
}

export interface Dashboard {
  /** Stable: links to a dashboard have it. */
  readonly name: string
  readonly title: string
  readonly about: string
  readonly variables: readonly Variable[]
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[]
}
