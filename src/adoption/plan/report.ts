import type { Block, ReportDocument } from '../report/document.ts'
import type { Plan, Step } from './plan.ts'
import type { Approach, Approaches } from './risk.ts'

/** A plan for those who decide and those who do. */
export function planReport(plan: Plan): ReportDocument {
  const { joined, gateways, waves, exempt, forecast, remarks, buckets } = plan
  const open = waves.reduce((sum, { steps }) => sum + steps.length, 0)
  const last = forecast.waves.at(-1)
  return {
    title: 'Plan of the adoption',
    subtitle: `${plan.at.slice(0, 10)}: ${joined.length} in the mesh, ${open} to come, ${exempt.length} exempt`,
    blocks: [
      ...(last
        ? [
            {
              verdict: `Expected to be done by ${last.expected}, and by ${last.cautious} at two thirds of the pace.`,
              mood: 'good',
            } as const,
            { text: `At ${forecast.pace} applications a week: ${forecast.says}.` },
          ]
        : []),
      ...(remarks.length > 0 ? [{ list: remarks }] : []),
      { heading: 'By waves, or all at once' },
      approachesTable(plan.approaches),
      { text: plan.approaches.advice },
      {
        text: 'The figures are a rule of thumb in the same units for both ways (2 % likelihood of trouble for each application, 3 % more for each point of difficulty, less once its like has joined), to be compared with each other and with nothing else.',
      },
      ...(gateways.length > 0 ? [{ heading: 'First: gateways at the edge' } as const, steps(gateways)] : []),
      ...waves.flatMap(({ number, teams, steps: members }): Block[] => {
        const when = forecast.waves.find(({ wave }) => wave === number)
        return [
          { heading: `Wave ${number}${when ? `, done by ${when.expected}` : ''}` },
          { text: teams.length > 0 ? `Teams: ${teams.join(', ')}.` : 'Nobody answers for these yet.' },
          {
            headings: ['application', 'bucket', 'why here'],
            rows: members.map(({ application, bucket, why }) => [application, bucket, why.join('\n')]),
          },
        ]
      }),
      ...(exempt.length > 0 ? [{ heading: 'Exempt' } as const, steps(exempt)] : []),
      ...(joined.length > 0
        ? [
            { heading: 'In the mesh' } as const,
            {
              headings: ['application', 'since'],
              rows: joined.map(({ application, on }) => [application, on.slice(0, 10)]),
            },
          ]
        : []),
      { heading: 'Buckets' },
      {
        headings: ['bucket', 'applications'],
        rows: buckets.map(({ name, applications }) => [name, applications.join(', ')]),
      },
    ],
  }
}

function steps(all: readonly Step[]): Block {
  return { headings: ['application', 'why'], rows: all.map(({ application, why }) => [application, why.join('\n')]) }
}

function approachesTable({ phased, allAtOnce }: Approaches): Block {
  const row = (label: string, value: (approach: Approach) => number) => [label, value(phased), value(allAtOnce)]
  return {
    headings: ['at the same time, at most', 'by waves', 'all at once'],
    rows: [
      row('applications that change', ({ together }) => together),
      row('of them expected to have trouble', ({ inTrouble }) => inTrouble),
      row('weighed by criticality', ({ impact }) => impact),
      row('rollouts in all', ({ rollouts }) => rollouts),
    ],
  }
}
