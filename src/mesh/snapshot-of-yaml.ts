import { messageText } from '../resources/message.ts'
import { parseYaml } from '../resources/parse.ts'
import { Snapshot } from '../store/snapshot.ts'

/** A snapshot of the objects in some YAML, for tests. @throws Error where any is not valid */
export function snapshotOfYaml(...texts: readonly string[]): Snapshot {
  const parsed = texts.map((text) => parseYaml(text, 'test.yaml'))
  const messages = parsed.flatMap((each) => each.messages)
  if (messages.length > 0) throw new Error(messages.map(messageText).join('\n'))
  return Snapshot.of(parsed.flatMap(({ resources }) => resources))
}
