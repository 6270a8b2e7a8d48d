import { deriveIndex, deriveMap } from '../../store/derive.ts'
import { PersistentMap } from '../../store/persistent-map.ts'

/**
 * For each entry of `input`, the rows of `table` that it names; no entry where it names none that is there. A change of a row reaches
 * only those that name it, which is what a look-up from inside a derivation could not know.
 */
export function deriveReferences<V, Row>(
  name: string,
  namesOf: (key: string, value: V) => Iterable<string>,
): (input: PersistentMap<V>, table: PersistentMap<Row>) => PersistentMap<PersistentMap<Row>> {
  const usersOf = deriveIndex<V>(`${name}/users`, namesOf)
  const used = deriveMap<[PersistentMap<PersistentMap<V>>, PersistentMap<Row>], [], Used<V, Row>>(
    `${name}/used`,
    (_, [users, row]) => (users && row !== undefined ? { users, row } : undefined),
  )
  const byUser = deriveIndex<Used<V, Row>>(`${name}/by-user`, (_, { users }) => users.keys())
  const rows = deriveMap<[PersistentMap<PersistentMap<Used<V, Row>>>], [], PersistentMap<Row>>(
    `${name}/rows`,
    (_, [uses]) => uses && rowsOf(uses),
  )
  return (input, table) => rows([byUser(used([usersOf(input), table]))])
}

interface Used<V, Row> {
  readonly users: PersistentMap<V>
  readonly row: Row
}

function rowsOf<Row>(uses: PersistentMap<{ readonly row: Row }>): PersistentMap<Row> {
  let rows = PersistentMap.empty<Row>()
  for (const [key, { row }] of uses) rows = rows.set(key, row)
  return rows
}
