/** What telemetry has come in, and what of it was lost. Counted since the server's start where nothing else is said. */
export interface IntakeStatus {
  /** Where answers come from. */
  readonly backend: 'embedded' | 'prometheus'
  /** Bytes that the store takes on disk, and may take. */
  readonly storeBytes: number
  readonly storeLimitBytes: number
  /** Series that are known, and how many there may be. */
  readonly series: number
  readonly seriesLimit: number
  /** Measurements that were added to a series called `folded`, as there were too many label values. */
  readonly folded: number
  /** Proxies whose metrics were read in the last round, and those that did not answer. */
  readonly proxies: number
  readonly silentProxies: number
  readonly logs: number
  readonly spans: number
  /** What applications logged themselves, and sent. */
  readonly applicationLogs: number
  /** By reason, such as `malformed`, `queue full`, `disk full`, `wrong clock`: what was not kept. */
  readonly lost: Readonly<Record<string, number>>
  /** What is sent to a receiver elsewhere: spans, logs and series that were sent, and that wait. Absent where none is named. */
  readonly export?: { readonly sent: number; readonly waiting: number; readonly waitingBytes: number }
  /** When the oldest kept measurement is of, in ms since the epoch; null where there is none. */
  readonly oldest: number | null
  /** What is wrong now, in words; empty where nothing is. */
  readonly problems: readonly string[]
}
