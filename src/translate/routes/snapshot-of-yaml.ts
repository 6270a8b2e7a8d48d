import { messageText } from '../../resources/message.ts'
import { parseYaml } from '../../resources/parse.ts'
import { Snapshot } from '../../store/snapshot.ts'

/** A snapshot of the objects in some YAML, for tests: these are to be without errors. */
export function snapshotOfYaml(...texts: readonly string[]): Snapshot {
  const parsed = texts.map((text, index) => parseYaml(text, `input-${index}.yaml`))
  const errors = parsed.flatMap(({ messages }) => messages).filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Error(errors.map(messageText).join('\n'))
  return Snapshot.of(parsed.flatMap(({ resources }) => resources))
}
