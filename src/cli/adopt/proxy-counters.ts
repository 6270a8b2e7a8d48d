import type { ProxyCost, SparedDowntime } from '../../adoption/progress/progress.ts'
import type { Mesh } from '../mesh.ts'

const COUNTERS = 'upstream_rq_retry_success$|outlier_detection.ejections_enforced_total$'

/** What all Envoys that answer have counted since they started, and what they hold. */
export async function proxyCounters(
  mesh: Mesh,
): Promise<{ readonly spared: SparedDowntime; readonly cost: ProxyCost }> {
  const envoys = await mesh.envoys()
  const heard = await Promise.all(
    envoys.map(async (key) => {
      try {
        const stats = await mesh.askEnvoy(key, `/stats?usedonly&filter=${encodeURIComponent(COUNTERS)}`)
        const { allocated } = JSON.parse(await mesh.askEnvoy(key, '/memory')) as { readonly allocated: string }
        return { stats, memory: Number(allocated) }
      } catch {
        return undefined // it goes, or has no administration that we may ask: it is told how many answered
      }
    }),
  )
  const answers = heard.filter((each) => each !== undefined)
  const total = (name: string) =>
    answers.length === 0 ? null : answers.reduce((sum, { stats }) => sum + sumOf(stats, name), 0)
  return {
    spared: {
      savedByRetry: total('upstream_rq_retry_success'),
      instancesLeftAlone: total('outlier_detection.ejections_enforced_total'),
    },
    cost: {
      proxies: envoys.length,
      asked: answers.length,
      memory: answers.length === 0 ? null : answers.reduce((sum, { memory }) => sum + memory, 0),
    },
  }
}

/** Of counters `cluster.NAME.COUNTER: VALUE`, each on its line. */
function sumOf(stats: string, counter: string): number {
  return stats.split('\n').reduce((sum, line) => {
    const [name = '', value = '0'] = line.split(': ')
    return name.endsWith(`.${counter}`) ? sum + Number(value) : sum
  }, 0)
}
