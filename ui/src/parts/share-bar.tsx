import { Dot, type Tone } from './tag.tsx'

export interface Share {
  readonly name: string
  readonly count: number
  readonly tone: Tone
}

/** How a whole is made of parts; those that there are none of are left out. */
export function ShareBar({ shares, label }: { readonly shares: readonly Share[]; readonly label: string }) {
  const there = shares.filter(({ count }) => count > 0)
  if (there.length === 0) return <span className="muted">There is nothing to tell yet.</span>
  return (
    <>
      <div
        className="bar"
        role="img"
        aria-label={`${label}: ${there.map(({ name, count }) => `${count} ${name}`).join(', ')}`}
      >
        {there.map(({ name, count, tone }) => (
          <span key={name} className={`dot ${tone}`} style={{ flex: `${count} 0 0`, height: 8, borderRadius: 0 }} />
        ))}
      </div>
      <div className="legend">
        {there.map(({ name, count, tone }) => (
          <span key={name}>
            <Dot tone={tone} /> {name} <strong className="number">{count}</strong>
          </span>
        ))}
      </div>
    </>
  )
}
