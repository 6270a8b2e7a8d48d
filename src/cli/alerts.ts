import type { Command } from 'commander'
import { defineList } from './alerts/list.ts'
import { defineSilence } from './alerts/silence.ts'
import { defineTest } from './alerts/test-receiver.ts'

/** `weft alerts` */
export function define(command: Command): void {
  command.description('What fires, who is told of it, and what is kept quiet.')
  defineList(command.command('list', { isDefault: true }).summary('list alerts, and how it stands with telling them'))
  defineSilence(command.command('silence').summary('have nobody told of some alerts for some time'))
  defineTest(command.command('test').summary('tell a receiver that this is a test'))
}
