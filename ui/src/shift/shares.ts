type Shares = Readonly<Record<string, number>>

/** Whole percents that add up to 100, as alike as can be. */
export function evenShares(versions: readonly string[]): Shares {
  const each = Math.floor(100 / versions.length)
  const rest = 100 - each * versions.length
  return Object.fromEntries(versions.map((version, at) => [version, each + (at < rest ? 1 : 0)]))
}

/** One share as asked; the others keep their proportions and take or give what that leaves. */
export function withShare(shares: Shares, version: string, share: number): Shares {
  const others = Object.keys(shares).filter((other) => other !== version)
  const before = others.reduce((sum, other) => sum + (shares[other] ?? 0), 0)
  let left = 100 - share
  const next: Record<string, number> = { ...shares, [version]: share }
  for (const [at, other] of others.entries()) {
    const isLast = at === others.length - 1
    const part = before > 0 ? ((shares[other] ?? 0) / before) * (100 - share) : (100 - share) / others.length
    next[other] = isLast ? left : Math.min(left, Math.round(part))
    left -= next[other] ?? 0
  }
  return next
}
