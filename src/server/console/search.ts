import { services } from '../../mesh/services.ts'
import { workloads } from '../../mesh/workloads.ts'
import { KINDS, type KindId } from '../../resources/kinds.ts'
import type { Snapshot } from '../../store/snapshot.ts'
import type { SearchHit, WorkloadRow } from './answers.ts'
import { isListed } from './object-views.ts'

/** Hits in one answer. */
const MOST = 30

/** What has all words of a text in its name or kind: names that begin with it first, then shorter ones. */
export function search(snapshot: Snapshot, rows: readonly WorkloadRow[], text: string): readonly SearchHit[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return []
  const hits: { readonly hit: SearchHit; readonly rank: number }[] = []
  const consider = (name: string, hit: SearchHit) => {
    const haystack = `${hit.kind} ${hit.title} ${hit.detail}`.toLowerCase()
    if (!words.every((word) => haystack.includes(word))) return
    const [first = ''] = words
    const at = name.toLowerCase().indexOf(first)
    hits.push({
      hit,
      rank: (at === 0 ? 0 : at > 0 ? 1000 : 2000) + KIND_RANK[hit.kind] * 100 + Math.min(name.length, 99),
    })
  }
  for (const { host, name, namespace } of services(snapshot).values())
    consider(name, { kind: 'service', title: name, detail: host === name ? namespace : host, to: `/services/${host}` })
  for (const { namespace, name, role } of rows)
    consider(name, {
      kind: 'workload',
      title: name,
      detail: `${namespace}, ${role === 'none' ? 'no proxy' : role}`,
      to: `/workloads/${namespace}/${name}`,
    })
  for (const { key, name, namespace, address } of workloads(snapshot).values())
    consider(name, { kind: 'proxy', title: name, detail: `${namespace}, ${address}`, to: `/proxies/${key}` })
  for (const id of (Object.keys(KINDS) as KindId[]).filter(isListed))
    for (const [key] of snapshot.all(id))
      consider(key.slice(key.indexOf('/') + 1), {
        kind: 'object',
        title: key,
        detail: KINDS[id].kind,
        to: `/configuration/${encodeURIComponent(id)}/${key}`,
      })
  return hits
    .sort((a, b) => a.rank - b.rank || (a.hit.title < b.hit.title ? -1 : 1))
    .slice(0, MOST)
    .map(({ hit }) => hit)
}

const KIND_RANK: Readonly<Record<SearchHit['kind'], number>> = { service: 0, workload: 1, proxy: 3, object: 2 }
