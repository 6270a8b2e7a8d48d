/** Something to be learned by doing, on the demo mesh of a laptop. */
export interface Lab {
  /** Stable, in kebab case. */
  readonly id: string
  readonly title: string
  /** What somebody can do afterwards. */
  readonly teaches: string
  readonly minutes: number
  /** What is to be done; `$DEMO` is the folder that the mesh follows. */
  readonly task: readonly string[]
  /** One after the other, each says more. */
  readonly hints: readonly string[]
  /** What is put into the folder of the mesh to begin with, by the file's name. */
  readonly setup: Files
  /** What the learner may do; shown after the last hint. */
  readonly solution: Solution
  /** What is kept of the beginning, to be compared with. */
  readonly remember?: (world: World) => Promise<Readonly<Record<string, string>>>
  /** All must pass. */
  readonly checks: readonly LabCheck[]
}

/** Texts by names of files; null takes one away. */
export type Files = Readonly<Record<string, string | null>>

export interface Solution {
  readonly files?: Files
  /** Arguments after `weft`. */
  readonly commands?: readonly (readonly string[])[]
  /** For `weft learn check --answer KEY=VALUE`. */
  readonly answers?: Readonly<Record<string, string>>
}

export interface LabCheck {
  /** What should hold, as a sentence without a full stop. */
  readonly holds: string
  look(world: World): Promise<Looked>
}

export interface Looked {
  readonly ok: boolean
  /** What was seen, as a sentence without a full stop. */
  readonly found: string
}

/** The mesh, as a check sees it. */
export interface World {
  /** The page of Bookinfo through the gateway, as somebody sees it who signed in, or did not. */
  page(user?: string): Promise<Page>
  /** What somebody without a proxy gets who asks a pod at its own address. */
  outsider(pod: string, path: string): Promise<'answered' | 'refused'>
  /** What the server's API has at a path below `/api/v1/`. */
  ask<T>(path: string): Promise<T>
  /** What was kept of the beginning. */
  readonly before: Readonly<Record<string, string>>
  /** What the learner answered. */
  readonly answers: Readonly<Record<string, string>>
}

export interface Page {
  readonly status: number
  /** `v1`; undefined where the page has no reviews. */
  readonly reviews: string | undefined
  /** Of the three parts of the page, those that say that they are unavailable. */
  readonly unavailable: readonly ('details' | 'reviews' | 'ratings')[]
  readonly milliseconds: number
}

/** What several requests came to. */
export async function pages(world: World, count: number, user?: string): Promise<readonly Page[]> {
  const all: Page[] = []
  for (let i = 0; i < count; i++) all.push(await world.page(user))
  return all
}

/** `12 of v1, 3 of v2`. */
export function versionsText(all: readonly Page[]): string {
  const counts = new Map<string, number>()
  for (const { reviews = 'none' } of all) counts.set(reviews, (counts.get(reviews) ?? 0) + 1)
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([version, count]) => `${count} of ${version}`)
    .join(', ')
}

/** That the page works as a whole. */
export const PAGE_WORKS: LabCheck = {
  holds: 'the page works, with all its parts',
  look: async (world) => {
    const { status, unavailable } = await world.page()
    if (status !== 200)
      return { ok: false, found: status === 0 ? 'the page does not answer' : `the page answers ${status}` }
    return {
      ok: unavailable.length === 0,
      found: unavailable.length === 0 ? 'it does' : `unavailable: ${unavailable.join(', ')}`,
    }
  },
}
