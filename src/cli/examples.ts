import type { Command } from 'commander'

/** Shown at the end of a command's `--help`: pairs of what somebody wants and what to type. */
export function withExamples(command: Command, examples: readonly (readonly [what: string, typed: string])[]): Command {
  const text = examples.map(([what, typed]) => `  # ${what}\n  ${typed}`).join('\n\n')
  return command.addHelpText('after', `\nExamples:\n${text}`)
}
