import { percent, type ReportDocument } from '../report/document.ts'
import { AREAS, type Area } from './checklist.ts'
import type { Prepared } from './preparation.ts'

/** How far the preparation is, for everybody who takes part. */
export function preparationReport(all: readonly Prepared[], at: Date): ReportDocument {
  const overdue = all.filter((each) => each.overdue)
  const contradicted = all.filter((each) => each.contradicted)
  const open = all.filter(isOpen)
  return {
    title: 'Preparation',
    subtitle: `${at.toISOString().slice(0, 10)}: ${all.length - open.length} of ${all.length} settled${overdue.length > 0 ? `, ${overdue.length} overdue` : ''}`,
    blocks: [
      {
        verdict:
          open.length === 0
            ? 'Everything is settled.'
            : `${open.length} items are open${overdue.length > 0 ? `, ${overdue.length} of them overdue` : ''}.`,
        mood: open.length === 0 ? 'good' : overdue.length + contradicted.length > 0 ? 'bad' : 'middling',
      },
      {
        bars: areasOf(all).map(([area, items]) => {
          const settled = items.filter((each) => !isOpen(each)).length
          return {
            label: AREAS[area],
            share: items.length === 0 ? 1 : settled / items.length,
            says: `${settled} of ${items.length}`,
          }
        }),
      },
      ...(contradicted.length > 0
        ? [
            { heading: 'Said to be done, and seen otherwise' } as const,
            {
              list: contradicted.map(
                ({ item, seen, entry }) =>
                  `${item.holds}: ${seen?.says}${entry.evidence ? ` (evidence given: ${entry.evidence})` : ''}`,
              ),
            },
          ]
        : []),
      ...areasOf(all).flatMap(([area, items]) => [
        { heading: AREAS[area] },
        {
          headings: ['', 'what should hold', 'owner', 'due', 'how it is known'],
          rows: items.map((each) => [
            each.state === 'done' ? '☑' : each.state === 'not-needed' ? '–' : '☐',
            `${each.item.holds}\n${each.item.why}${each.item.with ? ` With: ${each.item.with}` : ''}`,
            each.entry.owner ?? '',
            `${each.entry.due ?? ''}${each.overdue ? ' (overdue)' : ''}`,
            known(each),
          ]),
        },
      ]),
    ],
  }
}

/** Share of what is settled. */
export function settledText(all: readonly Prepared[]): string {
  return percent(all.length === 0 ? 0 : all.filter((each) => !isOpen(each)).length / all.length)
}

export function isOpen({ state }: Prepared): boolean {
  return state === 'open' || state === 'doing'
}

/** By area, in the order of AREAS; areas without items left out. */
export function areasOf(all: readonly Prepared[]): readonly (readonly [Area, readonly Prepared[]])[] {
  const areas = Object.keys(AREAS) as Area[]
  return areas
    .map((area) => [area, all.filter(({ item }) => item.area === area)] as const)
    .filter(([, items]) => items.length > 0)
}

export function known({ entry, seen }: Prepared): string {
  return [entry.evidence, entry.note, seen && `seen: ${seen.says}`].filter(Boolean).join('; ')
}
