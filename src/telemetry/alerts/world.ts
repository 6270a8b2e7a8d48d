/** What alert rules are about, beside telemetry: as the server knows it. */
export interface AlertWorld {
  /** Of all proxies that the server configures; undefined where that is not known now. */
  proxies(): readonly ProxyState[] | undefined
  /** What proxies refuse now. */
  refusals(): readonly RefusedObject[]
  /** Undefined where the server signs nothing. */
  certificates(): readonly ExpiringCertificate[] | undefined
  /** What became worse by onboarding; undefined where another server knows. */
  regressions(): Promise<readonly OnboardingRegression[] | undefined>
  /** When measurements came in last, in ms since the epoch; undefined where none did since the start. */
  measuredAt(): number | undefined
}

export interface ProxyState {
  /** `namespace/pod` */
  readonly key: string
  /** Whether it does not have what is meant for it. */
  readonly behind: boolean
}

export interface RefusedObject {
  readonly namespace: string
  /** `VirtualService shop/cart` */
  readonly object: string
  readonly problem: string
}

export interface OnboardingRegression {
  readonly namespace: string
  /** Of the Application. */
  readonly name: string
  readonly step: string
  /** What is worse, and what to do about it, without a full stop. */
  readonly says: string
}

export interface ExpiringCertificate {
  /** Whose it is, for people: `spiffe://cluster.local/ns/shop/sa/cart`, `the root`. */
  readonly name: string
  /** Empty for the mesh's own. */
  readonly namespace: string
  /** In ms since the epoch. */
  readonly expiresAt: number
}
