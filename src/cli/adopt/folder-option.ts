import { type Command, Option } from 'commander'

export interface FolderOption {
  /** Where everything that is written down about the adoption is kept. */
  readonly folder: string
}

/** `--folder`, for what people keep in git. */
export function addFolderOption(command: Command): Command {
  return command.addOption(
    new Option('--folder <folder>', 'where the adoption is written down, for git')
      .default('adoption')
      .env('WEFT_ADOPTION'),
  )
}
