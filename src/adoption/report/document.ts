/** A report, as what it says: written as Markdown or HTML by those beside this file. Texts are plain, without markup. */
export interface ReportDocument {
  readonly title: string
  /** One line below the title: of what, when, by whom. */
  readonly subtitle: string
  readonly blocks: readonly Block[]
}

export type Block =
  | { readonly heading: string; readonly level?: 2 | 3 }
  | { readonly text: string }
  /** Stands out: what the report comes to. */
  | { readonly verdict: string; readonly mood: 'good' | 'middling' | 'bad' }
  | { readonly list: readonly string[] }
  /** Things to do. */
  | { readonly todo: readonly { readonly text: string; readonly done: boolean }[] }
  | { readonly headings: readonly string[]; readonly rows: readonly (readonly Cell[])[] }
  /** Shares, from 0 to 1. */
  | { readonly bars: readonly { readonly label: string; readonly share: number; readonly says?: string }[] }
  /** Text with its line breaks, such as YAML. */
  | { readonly code: string; readonly language?: string }

/** A number stands to the right. */
export type Cell = string | number

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
