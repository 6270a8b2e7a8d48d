import { compareTexts } from '../../resources/text-order.ts'
import type { Assessment } from '../assessment/assess.ts'
import { gapsOf } from '../assessment/assess.ts'
import type { Questionnaire } from '../assessment/questionnaire.ts'
import type { Item } from './checklist.ts'
import { ITEMS } from './items.ts'
import type { Facts, Seen } from './seen.ts'

export const STATES = ['open', 'doing', 'done', 'not-needed'] as const
export type State = (typeof STATES)[number]

/** What people say of an item; kept in `preparation.yaml`. */
export interface Entry {
  readonly state?: State
  /** Who does it. */
  readonly owner?: string
  /** By which day: `2026-05-31`. */
  readonly due?: string
  /** Where it can be seen that it is done: a link, or a few words. */
  readonly evidence?: string
  readonly note?: string
}

export type Entries = Readonly<Record<string, Entry>>

/** An item with what is known of it. */
export interface Prepared {
  readonly item: Item
  readonly entry: Entry
  readonly seen?: Seen
  /** `done` also where the program sees that it holds. */
  readonly state: State
  /** It should be done by now. */
  readonly overdue: boolean
  /** Somebody says that it is done, and the program sees that it does not hold. */
  readonly contradicted: boolean
}

/** All items, with those that the gaps of an assessment are. */
export function itemsOf(questionnaire: Questionnaire, assessment: Assessment | undefined): readonly Item[] {
  if (!assessment) return ITEMS
  const gaps = gapsOf(questionnaire, assessment).map(
    ({ question, task, answered }): Item => ({
      id: `gap-${question.id}`,
      area: 'gaps',
      holds: `${task.charAt(0).toLowerCase()}${task.slice(1)}`,
      why: question.why,
      ...(answered.evidence ? { with: `seen: ${answered.evidence.says}` } : {}),
    }),
  )
  return [...ITEMS, ...gaps]
}

/** Where every item stands on a day. */
export function prepared(items: readonly Item[], entries: Entries, facts: Facts, today: Date): readonly Prepared[] {
  const day = today.toISOString().slice(0, 10)
  return items.map((item): Prepared => {
    const entry = entries[item.id] ?? {}
    const seen = item.see?.(facts)
    const said = entry.state ?? 'open'
    const state = said === 'open' || said === 'doing' ? (seen?.holds ? 'done' : said) : said
    const isOpen = state === 'open' || state === 'doing'
    return {
      item,
      entry,
      ...(seen ? { seen } : {}),
      state,
      overdue: isOpen && entry.due !== undefined && compareTexts(entry.due, day) < 0,
      contradicted: said === 'done' && seen !== undefined && !seen.holds,
    }
  })
}

/** What is wrong with what people wrote; undefined where nothing is. */
export function entryProblem(id: string, entry: unknown, items: readonly Item[]): string | undefined {
  if (!items.some((item) => item.id === id) && !id.startsWith('gap-')) return `there is no item "${id}"`
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return `${id} is no map`
  const { state, due, ...others } = entry as Readonly<Record<string, unknown>>
  if (state !== undefined && !STATES.includes(state as State))
    return `${id}: state ${JSON.stringify(state)} is none of ${STATES.join(', ')}`
  if (due !== undefined && (typeof due !== 'string' || !isDay(due)))
    return `${id}: due ${JSON.stringify(due)} is no day; write one such as 2026-05-31`
  const unknown = Object.keys(others).find((key) => !['owner', 'evidence', 'note'].includes(key))
  return unknown === undefined ? undefined : `${id}: there is no field "${unknown}"`
}

/** A day that there is: `2026-02-30` is none. */
export function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`)
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}
