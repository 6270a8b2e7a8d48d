import type { Ordered } from './order.ts'

/** Teams of the first wave: few enough to be cared for, enough to learn more than one case. */
const LEAST_TEAMS = 3
const MOST_TEAMS = 5
/** Applications of one team in the first wave. */
const EACH = 2

/**
 * Cuts an order into waves. The first has three to five teams with up to two applications each, none of them critical; later ones hold up to `size`
 * applications, and no wave mixes simple ones with those that need care.
 */
export function wavesOf(
  ordered: readonly Ordered[],
  size: number,
): { readonly groups: readonly (readonly Ordered[])[]; readonly remarks: readonly string[] } {
  const { wave, teams } = firstWave(ordered)
  const chosen = new Set(wave)
  const groups: Ordered[][] = wave.length > 0 ? [wave] : []
  let current: Ordered[] = []
  for (const each of ordered.filter((one) => !chosen.has(one))) {
    const mixes = current.some(
      ({ difficulty }) => (difficulty.band === 'careful') !== (each.difficulty.band === 'careful'),
    )
    if (current.length >= size || mixes) {
      groups.push(current)
      current = []
    }
    current.push(each)
  }
  if (current.length > 0) groups.push(current)
  const remarks =
    ordered.length > 0 && teams < LEAST_TEAMS
      ? [
          `the first wave has ${teams} ${teams === 1 ? 'team' : 'teams'}, fewer than ${LEAST_TEAMS}: no more own an application that is not critical`,
        ]
      : []
  return { groups, remarks }
}

function firstWave(ordered: readonly Ordered[]): { readonly wave: Ordered[]; readonly teams: number } {
  const byTeam = new Map<string, number>()
  const wave: Ordered[] = []
  for (const each of ordered) {
    const team = each.application.spec?.owner?.team
    if (team === undefined || each.difficulty.band === 'careful' || each.application.spec?.criticality === 'critical')
      continue
    const count = byTeam.get(team) ?? 0
    if (count >= EACH || (count === 0 && byTeam.size >= MOST_TEAMS)) continue
    byTeam.set(team, count + 1)
    wave.push(each)
  }
  return { wave, teams: byTeam.size }
}
