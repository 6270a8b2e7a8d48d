/** What is said of assessments and of the inventory: for the reference of messages. */
export const ADOPTION_RULES = {
  'bad-answer': 'An answer in a file is none that its question takes, or there is no such question.',
  'broken-row': 'A row of a CSV file, or an entry of a catalogue, cannot be taken. The others are.',
  'dependency-missing': 'An application says that it calls another which is not in the inventory.',
  'hurts-in-mesh':
    'A workload is of a kind that is known to suffer in a mesh: leave it out at first, or take care of what is said.',
  'no-criticality': 'Nobody has said what an outage of an application costs: the plan takes it for high.',
  'no-owner': 'Nobody answers for an application.',
  'overlapping-applications': 'A workload belongs to two applications.',
  'unknown-column': 'A CSV file has a column that means nothing here.',
  'unknown-owner': 'An application belongs to a team that is not among those that are known.',
  'workload-missing': 'An application names a workload that is not there.',
  'workload-of-nobody': 'A workload belongs to no application.',
} as const

export type AdoptionRule = keyof typeof ADOPTION_RULES
